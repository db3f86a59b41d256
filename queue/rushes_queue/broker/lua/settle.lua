#!lua flags=allow-oom
-- id, fence, state (cancelled or paused). The worker's answer to cancel and pause; one that was
-- taken back meanwhile leaves the job queued. ok | repeated | refused | fenced | unknown
local id, fence, state = ARGV[1], ARGV[2], ARGV[3]

local refusal, job = hold(id, fence, 'settle')
if refusal then
  return refusal
end
if state == 'cancelled' and not job.cancel then
  return answer('refused', job.state, job.state)
end
return end_attempt(id, job, 'settle', 'release', state)
