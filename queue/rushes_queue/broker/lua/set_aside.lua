#!lua flags=allow-oom
-- id, wish (cancel or pause). A running job stays so until its worker answers; the end of any other
-- one is still to be told of, see reap. ok | already | refused | unknown
local id, wish = ARGV[1], ARGV[2]

local refusal, job, target = ask(id, wish)
if refusal then
  return refusal
end
local before = job.state
if job[wish] then
  return answer('already', before, target)
elseif before == 'running' then
  redis.call('HSET', key('job', id), wish, 1)
end
enter(id, job, wish, target)
if FINISHED[target] then
  redis.call('SADD', UNANNOUNCED, id)
end
return answer('ok', before, target)
