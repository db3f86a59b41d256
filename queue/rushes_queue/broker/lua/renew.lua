#!lua flags=allow-oom
-- id, fence, ttl in ms, then nothing or chunk, frame, fps, prompt.
-- ok | cancel | pause | fenced | unknown
-- The first progress of an attempt says where it starts.
local id, fence, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

if not has_record(id) then
  return 'unknown'
end
local fields = { 'state', 'fence', 'cancel', 'pause', 'first_chunk', 'chunk', 'frame' }
local state, current, cancel, pause, first, chunk, frame =
  unpack(redis.call('HMGET', key('job', id), unpack(fields)))
if state ~= 'running' or current ~= fence then
  return 'fenced'
end
redis.call('ZADD', RUNNING, now + ttl, id)
redis.call('HSET', key('job', id), 'lease_until_ms', now + ttl, 'updated_ms', now)
if ARGV[4] then
  count_made({ chunk = chunk, frame = frame }, tonumber(ARGV[4]), tonumber(ARGV[5]))
  redis.call('HSET', key('job', id), 'first_chunk', first or ARGV[4],
    'chunk', ARGV[4], 'frame', ARGV[5], 'fps', ARGV[6], 'prompt', ARGV[7])
end
return cancel and 'cancel' or pause and 'pause' or 'ok'
