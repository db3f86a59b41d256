#!lua flags=allow-oom
-- worker, host, gpu, ttl in ms, highest schema version, request, JSON list of tags of which a job
-- must have one unless there are none, place of the worker, JSON list of the only jobs to take unless
-- it is empty, what the jobs that share a process have in common, then queues in order of service.
-- claimed, id, record | resting, until when in ms | empty
-- The same request gets the same job again: the first answer may have got lost on the way.
-- A job that crashed at this place is left to others, or until this one has got another one done.
local worker, host, gpu = ARGV[1], ARGV[2], ARGV[3]
local ttl, max_schema, request = tonumber(ARGV[4]), tonumber(ARGV[5]), key('request', ARGV[6])
local wanted_tags, place = to_list(ARGV[7]), ARGV[8]
local only, batch = to_set(to_list(ARGV[9])), ARGV[10]

local function found(id)
  return { 'claimed', id, cjson.encode(redis.call('HGETALL', key('job', id))) }
end

local function take(id)
  local job = load(id)
  job.owner = worker
  -- By the clock, not by one: a server that forgets its last second never gives a fence twice.
  job.fence = math.max((tonumber(job.fence) or 0) + 1, now)
  local number = redis.call('HINCRBY', key('job', id), 'attempts', 1)
  redis.call('HSET', key('job', id), 'fence', job.fence, 'owner', worker,
    'lease_until_ms', now + ttl, 'started_ms', now)
  redis.call('HDEL', key('job', id), 'rung_ms')
  note(id, 'refused_by', nil)
  redis.call('ZADD', RUNNING, now + ttl, id)
  redis.call('RPUSH', key('attempts', id), cjson.encode({
    number = number, fence = job.fence, worker = worker, place = place, host = host, gpu = gpu,
    started_ms = now, first_chunk = tonumber(job.chunk) or 0, batch = batch,
  }))
  redis.call('LTRIM', key('attempts', id), -MOST_ATTEMPTS, -1)
  enter(id, job, 'claim', MOVES.claim.queued)
  redis.call('SET', request, id .. ':' .. job.fence, 'PX', math.max(ttl, 60000))
  return found(id)
end

local before = redis.call('GET', request)
if before then
  local id, fence = string.match(before, '^(.*):(%d+)$')
  local job = load(id)
  if job and job.state == 'running' and job.fence == fence then
    return found(id)
  end
end
local until_ms = resting_until(place)
if until_ms then
  return { 'resting', until_ms }
end
unpark(100)
for i = 1, #bells, 2 do
  redis.call('HDEL', key('job', bells[i]), 'rung_ms') -- nobody rings for these now; reap will
end
local avoided
for i = 11, #ARGV do
  local first = 0
  repeat
    local page = redis.call('ZRANGE', key('queued', ARGV[i]), first, first + 49)
    for _, id in ipairs(page) do
      set_aside_broken(id)
      local schema = tonumber(redis.call('HGET', key('job', id), 'schema'))
      if schema and (is_refused_by(id, place) or not has_wanted_tag(id, wanted_tags)
        or next(only) and not only[id]) then
        -- another worker's
      elseif schema and schema <= max_schema then
        if not is_sound(load(id)) then
          set_aside('job:' .. id)
          redis.call('ZREM', key('queued', ARGV[i]), id)
        elseif not has_crashed_at(id, place) then
          return take(id)
        end
        avoided = avoided or has_record(id) and id
      elseif schema then
        note(id, 'refused_by', worker .. ' reads documents up to schema version ' .. max_schema)
      end
    end
    first = first + #page
  until #page < 50
end
if avoided then
  return take(avoided)
end
return { 'empty' }
