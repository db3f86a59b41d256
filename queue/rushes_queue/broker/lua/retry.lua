#!lua flags=allow-oom
-- id, 1 to render from the start. Save points of fences below oldest_fence do not count any more.
-- A job that waits for one which did not get done comes back with that one.
-- ok | already | refused | vain (with the id of that one, and its state) | unknown
local id, from_start = ARGV[1], ARGV[2] == '1'

local refusal, job, target = ask(id, 'retry')
if refusal then
  return refusal
end
local other, state = vain_cause(job, true)
if other then
  return answer('vain', other, state)
end
local before = job.state
redis.call('HDEL', key('job', id), 'error', 'failures', 'hiccups', 'losses_in_place', 'loss_chunk')
redis.call('DEL', key('losses', id))
if from_start then
  redis.call('HSET', key('job', id), 'oldest_fence', (tonumber(job.fence) or 0) + 1)
  redis.call('HDEL', key('job', id), 'chunk', 'frame', 'fps', 'prompt')
end
enter(id, job, 'retry', target)
return answer('ok', before, target)
