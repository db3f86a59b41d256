#!lua flags=allow-oom
-- id, fence, reason, delay in ms. Gives a job back that is not to blame; after a delay, whoever
-- refused it is noted. ok | repeated | fenced | unknown
local id, fence, reason, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local refusal, job = hold(id, fence, 'release')
if refusal then
  return refusal
end
if delay > 0 then
  redis.call('HSET', key('job', id), 'not_before_ms', now + delay)
  note(id, 'refused_by', (job.owner or '') .. ': ' .. reason)
end
return end_attempt(id, job, 'release', 'release', reason)
