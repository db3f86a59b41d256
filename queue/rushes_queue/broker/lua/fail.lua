#!lua flags=allow-oom
-- id, fence, reason, error as JSON, event (fail, back_off or quarantine), delay in ms, name of the
-- counter, its cap. A back_off that reaches the cap is a fail. ok | repeated | fenced | unknown
local id, fence, reason, error, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local delay, counter, cap = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])

local refusal, job = hold(id, fence, 'fail')
if refusal then
  return refusal
end
redis.call('HSET', key('job', id), 'error', error)
if event == 'back_off' then
  if redis.call('HINCRBY', key('job', id), counter, 1) >= cap then
    event = 'fail'
  else
    redis.call('HSET', key('job', id), 'not_before_ms', now + delay)
  end
end
return end_attempt(id, job, 'fail', event, reason)
