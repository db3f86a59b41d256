#!lua flags=allow-oom
-- id, fence, reason, 1 if the worker cannot take such a job. Gives a job back that is not to blame;
-- whoever cannot take it is noted, and does not get it again for a while.
-- ok | repeated | fenced | unknown
local id, fence, reason, is_refused = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'

local refusal, job = hold(id, fence, 'release')
if refusal then
  return refusal
end
if is_refused then
  refuse(id, place_of(id, job))
  note(id, 'refused_by', (job.owner or '') .. ': ' .. reason)
end
return end_attempt(id, job, 'release', 'release', reason)
