#!lua flags=allow-oom
-- id. A running job stays so until its worker answers. ok | already | refused | unknown
local id = ARGV[1]

local refusal, job, target = ask(id, 'pause')
if refusal then
  return refusal
end
local before = job.state
if job.pause then
  return answer('already', before, target)
elseif before == 'running' then
  redis.call('HSET', key('job', id), 'pause', 1)
end
enter(id, job, 'pause', target)
return answer('ok', before, target)
