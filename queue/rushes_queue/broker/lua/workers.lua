#!lua flags=no-writes
-- {name, info, ms of the last beat, id of a job it holds, ...} of each live worker.
local holds = {}
for _, id in ipairs(redis.call('ZRANGE', RUNNING, 0, -1)) do
  local owner = has_record(id) and redis.call('HGET', key('job', id), 'owner')
  if owner then
    holds[owner] = holds[owner] or {}
    table.insert(holds[owner], id)
  end
end
local found = {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'live_workers', '(' .. now, '+inf')) do
  local info, beat = unpack(redis.call('HMGET', key('worker', worker), 'info', 'beat_ms'))
  if info then
    found[#found + 1] = { worker, info, beat, unpack(holds[worker] or {}) }
  end
end
return found
