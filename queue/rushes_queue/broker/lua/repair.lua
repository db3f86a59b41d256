#!lua flags=allow-oom
-- place in the keyspace (0 at the start), about how many keys to look at.
-- Sets aside what somebody else wrote where our keys are, and puts jobs back into the lists where
-- their records belong. The next place (0 at the end), and how many keys were set aside.
local place, most = ARGV[1], ARGV[2]
local num_aside = 0

-- What each key is, by what its name starts with.
local NAMED = {
  job = 'hash', attempts = 'list', events = 'stream', dependents = 'set', losses = 'list',
  refused = 'hash', worker = 'hash', queued = 'zset', request = 'string', healthy = 'string',
  rests = 'string', lost_in_a_row = 'list', look = 'string', frame = 'string',
}

-- Lists of messages that Celery reads, and what kombu keeps beside them.
local MESSAGES = { unacked = 'hash', unacked_index = 'zset', unacked_mutex = 'string' }

local function type_of(kind, name)
  if kind == 'bell' then
    local is_queue = string.match(name, QUEUE) -- what else kombu keeps there begins with _kombu
    return is_queue and 'list' or MESSAGES[name]
  end
  return NAMED[kind]
end

local function all_match(texts, pattern)
  for _, text in ipairs(texts) do
    if not string.match(text, pattern) then
      return false
    end
  end
  return true
end

local function all_objects(texts)
  for _, text in ipairs(texts) do
    if not decode(text) then
      return false
    end
  end
  return true
end

-- Whether what stands in a key of the right type can be read; without an entry all can.
local IS_READABLE = {
  job = function(full, id)
    return is_sound(load(id))
  end,
  attempts = function(full)
    return all_objects(redis.call('LRANGE', full, 0, -1))
  end,
  losses = function(full)
    return all_objects(redis.call('LRANGE', full, 0, -1))
  end,
  worker = function(full)
    local info, beat = unpack(redis.call('HMGET', full, 'info', 'beat_ms'))
    return decode(info) and is_integer(beat)
  end,
  refused = function(full)
    return all_match(redis.call('HVALS', full), '^%d+ %d+$')
  end,
  totals = function(full)
    return all_match(redis.call('HVALS', full), '^%d+%.?%d*e?[+-]?%d*$')
  end,
  request = function(full)
    return string.match(redis.call('GET', full), '^[^:]+:%d+$')
  end,
  healthy = function(full)
    return is_integer(redis.call('GET', full))
  end,
  rests = function(full)
    return is_integer(redis.call('GET', full))
  end,
  sequence = function(full)
    local text = redis.call('GET', full)
    return is_integer(text) and tonumber(text) < 2 ^ 53
  end,
}

local function check(full, kind, type, name)
  local found = redis.call('TYPE', full).ok
  if found == 'none' then
    return false
  end
  local is_readable = IS_READABLE[kind] or function()
    return true
  end
  if found == type and is_readable(full, name) then
    return true
  end
  set_aside(string.sub(full, #PREFIX + 1))
  num_aside = num_aside + 1
  return false
end

-- Let a job go on waiting for those that it waits for, if they are not done by now.
local function wait_on(id, job)
  for _, other in ipairs(to_list(job.waiting_for)) do
    if get_state(other) == 'done' then
      stop_waiting(id, other)
    else
      check(key('dependents', other), 'dependents', 'set')
      redis.call('SADD', key('dependents', other), id)
    end
  end
end

-- Put a job into the lists where its record belongs.
local function put_in_place(id)
  local job = load(id)
  if not redis.call('ZSCORE', PREFIX .. 'jobs', id) or not redis.call('ZSCORE', PREFIX .. 'ids', id) then
    index(id, job.created_ms)
  end
  if job.state == 'queued' then
    local queue = key('queued', job.queue)
    local is_there = check(queue, 'queued', 'zset') and redis.call('ZSCORE', queue, id)
    if not is_there and not redis.call('ZSCORE', PARKED, id) then
      enqueue(id)
    end
    wait_on(id, job)
  elseif job.state == 'running' then
    redis.call('ZADD', RUNNING, 'NX', job.lease_until_ms or now, id)
  elseif FINISHED[job.state] then
    redis.call('ZADD', PREFIX .. 'finished', 'NX', job.finished_ms or now, id)
  end
  local seq = tonumber(job.seq) or 0
  if seq > (tonumber(redis.call('GET', PREFIX .. 'sequence')) or 0) then
    redis.call('SET', PREFIX .. 'sequence', string.format('%d', seq))
  end
end

if place == '0' then
  for name, type in pairs(SINGLE) do
    check(PREFIX .. name, name, type)
  end
end
local pattern = string.gsub(PREFIX, '[%*%?%[%]\\%^]', '\\%0') .. '*'
local found = redis.call('SCAN', place, 'MATCH', pattern, 'COUNT', most)
for _, full in ipairs(found[2]) do
  local kind, name = string.match(string.sub(full, #PREFIX + 1), '^([a-z_]+):(.*)$')
  local type = kind and type_of(kind, name)
  if type and check(full, kind, type, name) then
    if kind == 'job' then
      put_in_place(name)
    elseif kind == 'queued' then
      redis.call('SADD', PREFIX .. 'queues', name)
    end
  end
end
return { found[1], num_aside }
