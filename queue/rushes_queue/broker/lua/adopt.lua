#!lua
-- id, ttl in ms, JSON list of the jobs to wait for, then the fields of the record as pairs.
-- Rebuilds a record that was lost; a job that runs has one ttl to show that it does.
-- created | exists
local id, ttl, after = ARGV[1], tonumber(ARGV[2]), cjson.decode(ARGV[3])

set_aside_broken(id)
local state = get_state(id)
if state then
  return answer('exists', state, state)
end
redis.call('HSET', key('job', id), 'seq', redis.call('INCR', PREFIX .. 'sequence'), unpack(ARGV, 4))
local job = load(id)
index(id, job.created_ms)
if job.state ~= 'done' then
  wait_for(id, after)
end
if job.state == 'queued' then
  enqueue(id)
elseif job.state == 'running' then
  redis.call('HSET', key('job', id), 'lease_until_ms', now + ttl)
  redis.call('ZADD', RUNNING, now + ttl, id)
elseif FINISHED[job.state] then
  redis.call('ZADD', PREFIX .. 'finished', job.finished_ms or now, id)
end
tell_dependents(id)
heed_causes(id)
return answer('created', '', get_state(id))
