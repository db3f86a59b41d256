#!lua flags=allow-oom
-- id, fence, reason. Gives a job back that is not to blame. ok | repeated | fenced | unknown
local id, fence, reason = ARGV[1], ARGV[2], ARGV[3]

local refusal, job = hold(id, fence, 'release')
if refusal then
  return refusal
end
return end_attempt(id, job, 'release', 'release', reason)
