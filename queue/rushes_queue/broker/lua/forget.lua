#!lua flags=allow-oom
-- id. Removes the record of a finished job and all that belongs to it. ok | refused | unknown
local id = ARGV[1]

local job = load(id)
if not job then
  return answer('unknown')
elseif not FINISHED[job.state] then
  return answer('refused', job.state, job.state)
end
for _, other in ipairs(to_list(job.waiting_for)) do
  redis.call('SREM', key('dependents', other), id)
end
redis.call('SREM', UNANNOUNCED, id)
redis.call('DEL', key('job', id), key('attempts', id), key('events', id), key('losses', id),
  key('refused', id))
for _, set in ipairs({ 'jobs', 'ids', 'finished' }) do
  redis.call('ZREM', PREFIX .. set, id)
end
tell_dependents(id)
return answer('ok', job.state, '')
