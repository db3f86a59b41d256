-- What the scripts share. Before this come the tables MOVES and FINISHED, made from states.py.
-- KEYS[1] is what all keys start with. KEYS[2], in tests, is a key that holds the time.

local PREFIX = KEYS[1]
local RUNNING, PARKED = PREFIX .. 'running', PREFIX .. 'parked'
local UNANNOUNCED = PREFIX .. 'untold' -- jobs that ended while no worker had them, until one tells of it
local FAR_AWAY = 9e15 -- ms: the place in PARKED of a job that waits for others, not for a time
local MOST_ATTEMPTS, MOST_EVENTS = 50, 1000

local bells = {} -- id, queue, id, queue ...: what can be claimed now and could not before

local function key(kind, name)
  return PREFIX .. kind .. ':' .. name
end

-- Only the server's clock counts: those of the workers may be wrong.
local function read_clock()
  if KEYS[2] then
    return tonumber(redis.call('GET', KEYS[2]))
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = read_clock()

local function has_record(id)
  return redis.call('TYPE', key('job', id)).ok == 'hash'
end

-- What stands where a record should be and is none was written by somebody else. Every script that
-- meets it would fail, so it is set aside; `rushes reconcile` brings the job back from the storage.
local function set_aside(name)
  local id = string.match(name, '^job:(.*)$')
  local place = key('broken', id or name)
  redis.call('RENAME', PREFIX .. name, place)
  local what = id and 'the record of job ' .. id or 'the key ' .. PREFIX .. name
  redis.pcall('XADD', PREFIX .. 'notices', 'MAXLEN', '~', MOST_EVENTS, '*', 'kind', 'broken record',
    'message', what .. ' cannot be read; it was set aside as ' .. place
    .. (id and ', and rushes reconcile restores the job' or ''))
end

local function set_aside_broken(id)
  if not has_record(id) and redis.call('EXISTS', key('job', id)) == 1 then
    set_aside('job:' .. id)
  end
end

-- The keys of which there is one. A script that fails halfway would leave a job between two states,
-- so each makes sure of them before it begins.
local SINGLE = {
  jobs = 'zset', ids = 'zset', finished = 'zset', running = 'zset', parked = 'zset',
  live_workers = 'zset', untold = 'set', queues = 'set', totals = 'hash', notices = 'stream',
  sequence = 'string', sweeper = 'string',
}

if IS_WRITING then
  for name, type in pairs(SINGLE) do
    local found = redis.call('TYPE', PREFIX .. name).ok
    if found ~= type and found ~= 'none' then
      set_aside(name)
    end
  end
end

local function load(id)
  if not has_record(id) then
    return nil
  end
  local flat = redis.call('HGETALL', key('job', id))
  local job
  for i = 1, #flat, 2 do
    job = job or {}
    job[flat[i]] = flat[i + 1]
  end
  return job
end

-- The one answer of all scripts that change a job.
local function answer(outcome, before, after)
  return { outcome, before or '', after or '', bells }
end

local function get_state(id)
  return has_record(id) and redis.call('HGET', key('job', id), 'state') or nil
end

local function to_list(text)
  return text and cjson.decode(text) or {} -- what is not JSON is an error, which leads to a repair
end

local function to_set(list)
  local set = {}
  for _, each in ipairs(list) do
    set[each] = true
  end
  return set
end

-- Whether a job has one of these tags; true when none are wanted.
local function has_wanted_tag(id, wanted_tags)
  for _, tag in ipairs(to_list(redis.call('HGET', key('job', id), 'tags'))) do
    for _, wanted in ipairs(wanted_tags) do
      if tag == wanted then
        return true
      end
    end
  end
  return #wanted_tags == 0
end

-- Keep a list or an object as JSON in a field that is absent when it is empty.
local function store_json(id, field, value)
  if next(value) then
    redis.call('HSET', key('job', id), field, cjson.encode(value))
  else
    redis.call('HDEL', key('job', id), field)
  end
end

-- Count what was done since the farm began. A count that cannot be kept stops no job.
local function count(what, number)
  redis.pcall('HINCRBY', PREFIX .. 'totals', what, number)
end

-- Set a note of a job; nil removes it.
local function note(id, name, text)
  local notes = to_list(redis.call('HGET', key('job', id), 'notes'))
  if notes[name] ~= text then
    notes[name] = text
    store_json(id, 'notes', notes)
  end
end

-- Put a queued job where it can be claimed, or aside until it can.
local function enqueue(id)
  if not has_record(id) then
    set_aside_broken(id)
    redis.call('ZREM', PARKED, id)
    return
  end
  local fields = { 'queue', 'seq', 'waiting_for', 'not_before_ms' }
  local queue, seq, waiting_for, not_before = unpack(redis.call('HMGET', key('job', id), unpack(fields)))
  if waiting_for then
    redis.call('ZADD', PARKED, FAR_AWAY, id)
  elseif not_before and tonumber(not_before) > now then
    redis.call('ZADD', PARKED, not_before, id)
  else
    redis.call('ZREM', PARKED, id)
    redis.call('HDEL', key('job', id), 'not_before_ms')
    redis.call('HSET', key('job', id), 'rung_ms', now)
    redis.call('ZADD', key('queued', queue), seq, id)
    redis.call('SADD', PREFIX .. 'queues', queue)
    bells[#bells + 1] = id
    bells[#bells + 1] = queue
  end
end

local function unqueue(id, job)
  redis.call('ZREM', key('queued', job.queue), id)
  redis.call('ZREM', PARKED, id)
end

-- Bring back what was put aside until now.
local function unpark(most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', PARKED, '-inf', now, 'LIMIT', 0, most)) do
    enqueue(id)
  end
end

-- Take note of the state of a job that is waited for, if it does not get done in it.
local function note_wait(id, other, state)
  note(id, 'waits_for ' .. other, not state and 'unknown' or FINISHED[state] and state or nil)
end

local function stop_waiting(id, other)
  local rest = {}
  for _, waited_for in ipairs(to_list(redis.call('HGET', key('job', id), 'waiting_for'))) do
    if waited_for ~= other then
      rest[#rest + 1] = waited_for
    end
  end
  store_json(id, 'waiting_for', rest)
  if #rest == 0 and get_state(id) == 'queued' then
    enqueue(id)
  end
end

-- The first job that this one waits for in vain, and its state, or nothing. One without a record
-- may come back (a broker is being rebuilt), so it holds up only what has not begun to wait.
local function vain_cause(job, is_unknown_vain)
  for _, other in ipairs(to_list(job.waiting_for)) do
    local state = get_state(other)
    if FINISHED[state] or not state and is_unknown_vain then
      return other, state or 'unknown'
    end
  end
end

local enter -- below; the end of one job may end those that wait for it

-- End a job that waits for one which did not get done; bring it back when all that it waits for may
-- get done after all.
local function heed_causes(id)
  local job = load(id)
  if job.state == 'queued' then
    local other, state = vain_cause(job)
    if other then
      local message = 'job ' .. other .. ', which has to be done first, is ' .. state
        .. '; rushes retry ' .. other .. ' brings both back'
      local error = { kind = 'cause', message = message, retryable = false }
      redis.call('HSET', key('job', id), 'error', cjson.encode(error))
      enter(id, job, 'give_up', MOVES.give_up.queued, 'cause')
      redis.call('SADD', UNANNOUNCED, id)
    end
  elseif job.state == 'failed' and job.error and cjson.decode(job.error).kind == 'cause'
    and not vain_cause(job, true) then
    redis.call('HDEL', key('job', id), 'error')
    enter(id, job, 'revive', MOVES.revive.failed)
  end
end

local news, is_telling = {}, false

-- Tell the jobs that wait for this one which state it is in now, if any. What that changes is told
-- in turn, in a loop: a chain may be long.
local function tell_dependents(changed)
  news[#news + 1] = changed
  if is_telling then
    return
  end
  is_telling = true
  local place = 1
  while news[place] do
    local id = news[place]
    local state = get_state(id)
    for _, waiting in ipairs(redis.call('SMEMBERS', key('dependents', id))) do
      if get_state(waiting) then
        if state == 'done' then
          note(waiting, 'waits_for ' .. id, nil)
          stop_waiting(waiting, id)
        else
          note_wait(waiting, id, state)
        end
        heed_causes(waiting)
      end
    end
    if state == 'done' then
      redis.call('DEL', key('dependents', id))
    end
    place = place + 1
  end
  news, is_telling = {}, false
end

-- Let a new job wait for those of the list that are not done.
local function wait_for(id, others)
  local waiting = {}
  for _, other in ipairs(others) do
    local state = get_state(other)
    if state ~= 'done' then
      waiting[#waiting + 1] = other
      redis.call('SADD', key('dependents', other), id)
      note_wait(id, other, state)
    end
  end
  store_json(id, 'waiting_for', waiting)
end

-- Count the chunks and frames made since the last report; an attempt may start further back.
local function count_made(job, chunk, frame)
  count('chunks', math.max(0, chunk - (tonumber(job.chunk) or 0)))
  count('frames', math.max(0, frame - (tonumber(job.frame) or 0)))
end

local function index(id, created_ms)
  redis.call('ZADD', PREFIX .. 'jobs', created_ms, id)
  redis.call('ZADD', PREFIX .. 'ids', 0, id)
end

local function add_event(id, ...)
  redis.pcall('XADD', key('events', id), 'MAXLEN', '~', MOST_EVENTS, '*', ...)
end

-- Bring a job into a state and do all that follows from it, apart from what ends an attempt.
enter = function(id, job, event, state, reason)
  local before = job.state
  job.state = state
  redis.call('HSET', key('job', id), 'state', state, 'updated_ms', now)
  if FINISHED[state] then
    count('jobs ' .. state, 1)
    redis.call('ZADD', PREFIX .. 'finished', now, id)
    redis.call('HSET', key('job', id), 'finished_ms', now)
    redis.call('HDEL', key('job', id), 'not_before_ms', 'rung_ms')
  elseif FINISHED[before] then
    redis.call('ZREM', PREFIX .. 'finished', id)
    redis.call('SREM', UNANNOUNCED, id)
    redis.call('HDEL', key('job', id), 'finished_ms')
  end
  if before == 'queued' and state ~= 'queued' then
    unqueue(id, job)
  elseif state == 'queued' then
    enqueue(id)
  end
  add_event(id, 'kind', 'state', 'event', event, 'state', state, 'ms', now,
    'fence', job.fence or 0, 'worker', job.owner or '', 'reason', reason or '')
  if state == 'queued' and job.waiting_for then
    heed_causes(id)
  end
  if FINISHED[state] or FINISHED[before] then
    tell_dependents(id)
  end
end

-- Answer what a user asks for, or return where it leads, and the job.
local function ask(id, event)
  local job = load(id)
  if not job then
    return answer('unknown')
  end
  local target = MOVES[event][job.state]
  if target then
    return nil, job, target
  end
  for _, state in pairs(MOVES[event]) do
    if state == job.state then
      return answer('already', job.state, job.state)
    end
  end
  return answer('refused', job.state, job.state)
end

-- Answer an attempt that has no say any more; else return nil and the job.
-- A repeated call is one whose first answer got lost on the way.
local function hold(id, fence, verb)
  local job = load(id)
  if not job then
    return answer('unknown')
  end
  if job.state == 'running' and job.fence == fence then
    return nil, job
  end
  return answer(job.ended == fence .. ':' .. verb and 'repeated' or 'fenced', job.state, job.state)
end

-- End the current attempt. What the user asked for meanwhile wins: a cancellation over everything
-- but the result, a pause over going on.
local function end_attempt(id, job, verb, event, reason)
  if job.cancel and event ~= 'finish' then
    event = 'stop'
  elseif job.pause and MOVES[event].running == 'queued' then
    event = 'rest'
  end
  local attempts = key('attempts', id)
  local last = redis.call('LINDEX', attempts, -1)
  if last then
    local attempt = cjson.decode(last)
    attempt.ended_ms = now
    attempt.reason = reason
    attempt.first_chunk = tonumber(job.first_chunk) or attempt.first_chunk
    attempt.last_chunk = tonumber(job.chunk) or 0
    redis.call('LSET', attempts, -1, cjson.encode(attempt))
  end
  count('attempts ' .. verb, 1)
  redis.call('ZREM', RUNNING, id)
  redis.call('HDEL', key('job', id), 'owner', 'lease_until_ms', 'first_chunk', 'cancel', 'pause')
  redis.call('HSET', key('job', id), 'ended', job.fence .. ':' .. verb)
  enter(id, job, event, MOVES[event].running, reason)
  return answer('ok', 'running', job.state)
end
