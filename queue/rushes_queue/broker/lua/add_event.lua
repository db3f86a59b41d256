#!lua
-- id, fence or nothing, then fields as pairs. Nobody else would delete the events of no job.
-- ok | fenced | unknown
local id, fence = ARGV[1], ARGV[2]

if not has_record(id) then
  return 'unknown'
end
local state, current = unpack(redis.call('HMGET', key('job', id), 'state', 'fence'))
if fence ~= '' and (state ~= 'running' or current ~= fence) then
  return 'fenced'
end
add_event(id, unpack(ARGV, 3))
return 'ok'
