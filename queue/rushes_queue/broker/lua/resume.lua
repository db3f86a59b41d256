#!lua flags=allow-oom
-- id. For a running job it takes back a pause. ok | already | refused | unknown
local id = ARGV[1]

local refusal, job, target = ask(id, 'resume')
if refusal then
  return refusal
end
local before = job.state
if before == 'running' then
  if not job.pause then
    return answer('already', before, target)
  end
  redis.call('HDEL', key('job', id), 'pause')
end
enter(id, job, 'resume', target)
return answer('ok', before, get_state(id))
