#!lua flags=allow-oom
-- id, fence, reason, message, most losses in place. For a worker whose child died.
-- ok | repeated | fenced | unknown
local id, fence, reason, message = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local refusal, job = hold(id, fence, 'lose')
if refusal then
  return refusal
end
return lose(id, job, 'lose', reason, message, tonumber(ARGV[5]))
