#!lua flags=allow-oom
-- id, fence, message, 1 if somebody ended it from outside, most losses in place, most failures of the infrastructure, most
-- losses of a worker in a row. For a worker whose child died. ok | repeated | fenced | unknown
local id, fence, message, is_from_outside = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local max_losses, max_failures, max_in_a_row = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local refusal, job = hold(id, fence, 'lose')
if refusal then
  return refusal
end
if is_from_outside then
  return be_ended(id, job, message, max_failures)
end
return lose(id, job, 'lose', CRASHED, message, max_losses, max_in_a_row)
