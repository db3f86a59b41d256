#!lua flags=no-writes
-- ms of a past time. As JSON: how many jobs are in each state and how many are set aside until later,
-- since when the first in line waits, and what was done since the given time.
local since = tonumber(ARGV[1])
local states, waiting_since, fps = { queued = 0 }, nil, 0 -- never empty: JSON would call it a list

for _, id in ipairs(redis.call('ZRANGE', PREFIX .. 'jobs', 0, -1)) do
  local state = get_state(id)
  if state then
    states[state] = (states[state] or 0) + 1
  end
end
for _, queue in ipairs(redis.call('SMEMBERS', PREFIX .. 'queues')) do
  local first = redis.call('ZRANGE', key('queued', queue), 0, 0)[1]
  local created = first and has_record(first)
    and tonumber(redis.call('HGET', key('job', first), 'created_ms'))
  if created and (not waiting_since or created < waiting_since) then
    waiting_since = created
  end
end
for _, id in ipairs(redis.call('ZRANGE', RUNNING, 0, -1)) do
  fps = fps + (has_record(id) and tonumber(redis.call('HGET', key('job', id), 'fps')) or 0)
end
local num_done, num_frames = 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'finished', since, '+inf')) do
  local state = get_state(id)
  local frames = state and redis.call('HGET', key('job', id), 'num_frames')
  if state == 'done' then
    num_done = num_done + 1
    num_frames = num_frames + (tonumber(frames) or 0)
  end
end
return cjson.encode({
  now_ms = now, states = states,
  num_parked = redis.call('ZCARD', PARKED), waiting_since_ms = waiting_since or false,
  fps = fps, num_done = num_done, num_frames = num_frames,
})
