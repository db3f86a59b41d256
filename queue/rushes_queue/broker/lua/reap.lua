#!lua flags=allow-oom
-- most jobs of each kind, most losses in place, most losses of a worker in a row, ms without a claim
-- after which a job is rung again, then maybe what the names of the lists start with in which bells wait: those that wait there are
-- enough for as many jobs.
-- {id, state, ...} of the jobs whose lease was over, {id, queue, ...} to ring, {id, ...} that ended
-- without a worker: whoever gets them tells of it
local most, max_losses, max_in_a_row = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ring_after, lists = tonumber(ARGV[4]), ARGV[5]

local function waiting_bells(queue)
  if lists and redis.call('TYPE', lists .. queue).ok == 'list' then
    return redis.call('LLEN', lists .. queue)
  end
  return 0
end

local function ring(queue)
  local first = redis.call('ZRANGE', key('queued', queue), 0, most - 1)
  local missing = #first - waiting_bells(queue)
  for _, id in ipairs(first) do
    set_aside_broken(id)
    local state, rung = unpack(redis.call('HMGET', key('job', id), 'state', 'rung_ms'))
    if not state then
      redis.call('ZREM', key('queued', queue), id) -- somebody deleted the record by hand
    elseif missing > 0 and (tonumber(rung) or 0) + ring_after <= now then
      missing = missing - 1
      redis.call('HSET', key('job', id), 'rung_ms', now)
      bells[#bells + 1] = id
      bells[#bells + 1] = queue
    end
  end
  if #first == 0 then
    redis.call('SREM', PREFIX .. 'queues', queue)
  end
end

local lost = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', RUNNING, '-inf', now, 'LIMIT', 0, most)) do
  local job = load(id)
  if job then
    local message = 'worker ' .. (job.owner or '') .. ' did not renew its lease'
    lose(id, job, 'reap', GONE, message, max_losses, max_in_a_row)
    lost[#lost + 1] = id
    lost[#lost + 1] = job.state
  else
    set_aside_broken(id)
    redis.call('ZREM', RUNNING, id)
  end
end
unpark(most)
for _, queue in ipairs(redis.call('SMEMBERS', PREFIX .. 'queues')) do
  ring(queue)
end
return { lost, bells, redis.call('SPOP', UNANNOUNCED, most) }
