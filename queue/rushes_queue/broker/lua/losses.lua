-- Lost attempts, and who is to blame for them: the job, or the place where it ran. A place is a GPU
-- or a slot of a farm; it outlives the worker processes that come and go there.
-- A process that crashed weighs more than a worker that is gone without a word, as when somebody
-- pulls its plug; the two are counted apart. One place cannot blame a job alone, unless it got other jobs done in between.

local CRASHED, GONE = 2, 1
local FIRST_REST_MS, LONGEST_REST_MS = 30000, 600000
local FIRST_REFUSAL_MS, LONGEST_REFUSAL_MS = 60000, 3600000
local MEMORY_MS = 86400000 -- of what a place did; nobody else would delete it
local MOST_LOSSES_KEPT = 50

local function place_of(id, job)
  local last = redis.call('LINDEX', key('attempts', id), -1)
  return last and cjson.decode(last).place or job.owner or ''
end

-- How many jobs got done at a place, as long as it is remembered.
local function count_done(place)
  return tonumber(redis.call('GET', key('healthy', place))) or 0
end

-- A place that gets a job done is well, whatever it lost before.
local function prove_healthy(place)
  redis.call('INCR', key('healthy', place))
  redis.call('PEXPIRE', key('healthy', place), MEMORY_MS)
  redis.call('DEL', key('lost_in_a_row', place), key('rests', place))
end

-- Until when (in ms) a place that lost too many in a row claims nothing; nil for others.
local function resting_until(place)
  local until_ms = tonumber(redis.call('GET', key('rests', place)))
  return until_ms and until_ms > now and until_ms or nil
end

-- Whether a place has lost the process of this attempt already, which other jobs had a part in.
local function is_counted(place, id)
  local last = redis.call('LINDEX', key('attempts', id), -1)
  local batch = last and cjson.decode(last).batch
  if not batch or batch == '' then
    return false
  end
  local before = redis.call('GET', key('lost_batch', place))
  redis.call('SET', key('lost_batch', place), batch, 'PX', MEMORY_MS)
  return before == batch
end

-- Count a loss of a place; after too many in a row it rests, longer each time.
local function count_loss(place, id, max_in_a_row)
  if is_counted(place, id) then
    return
  end
  local losses = key('lost_in_a_row', place)
  local too_many = redis.call('RPUSH', losses, id) - max_in_a_row
  redis.call('LTRIM', losses, -MOST_LOSSES_KEPT, -1)
  redis.call('PEXPIRE', losses, MEMORY_MS)
  if too_many >= 0 then
    local rest = math.min(FIRST_REST_MS * 2 ^ math.min(too_many, 10), LONGEST_REST_MS)
    redis.call('SET', key('rests', place), string.format('%d', now + rest), 'PX', MEMORY_MS)
  end
end

-- Losses that the job was to blame for do not count against the places.
local function acquit(place, id, max_in_a_row)
  redis.call('LREM', key('lost_in_a_row', place), 0, id)
  if redis.call('LLEN', key('lost_in_a_row', place)) < max_in_a_row then
    redis.call('DEL', key('rests', place))
  end
end

-- Keep a job from a place that cannot take it, longer each time.
local function refuse(id, place)
  local before = redis.call('HGET', key('refused', id), place)
  local times = before and tonumber(string.match(before, '^%d+')) or 0
  local delay = math.min(FIRST_REFUSAL_MS * 2 ^ math.min(times, 10), LONGEST_REFUSAL_MS)
  redis.call('HSET', key('refused', id), place, string.format('%d %d', times + 1, now + delay))
  redis.call('PEXPIRE', key('refused', id), MEMORY_MS)
end

local function is_refused_by(id, place)
  local refusal = redis.call('HGET', key('refused', id), place)
  return refusal and tonumber(string.match(refusal, '%d+$')) > now
end

local function read_losses(id)
  local losses = {}
  for _, text in ipairs(redis.call('LRANGE', key('losses', id), 0, -1)) do
    losses[#losses + 1] = cjson.decode(text)
  end
  return losses
end

-- How many of these losses, of one kind, count against the job: those of a place alone are never
-- enough, unless it got other jobs done in between.
local function count_against(losses, weight, enough)
  local places, total = {}, 0
  for _, loss in ipairs(losses) do
    if loss.weight == weight then
      local place = places[loss.place] or { all = 0, proven = 0 }
      place.all = place.all + 1
      if place.done ~= loss.done then
        place.proven = place.proven + 1
      end
      place.done = loss.done
      places[loss.place] = place
    end
  end
  for _, place in pairs(places) do
    total = total + math.max(place.proven, math.min(place.all, enough - 1))
  end
  return total
end

-- Whether these losses, all at the same chunk, are the job's fault. Plugs that are pulled beside a
-- worker that is sick are no crashes.
local function is_to_blame(losses, max_losses)
  local most_gone = max_losses * CRASHED / GONE
  return count_against(losses, CRASHED, max_losses) >= max_losses
    or count_against(losses, GONE, most_gone) >= most_gone
end

-- Whether the job has just crashed at a place, which has got none done since.
local function has_crashed_at(id, place)
  local weight = 0
  if redis.call('EXISTS', key('losses', id)) == 1 then
    local done = count_done(place)
    for _, loss in ipairs(read_losses(id)) do
      weight = weight + (loss.place == place and loss.done == done and loss.weight or 0)
    end
  end
  return weight >= CRASHED
end

-- End the attempt of a worker that is gone, or whose process crashed.
local function lose(id, job, verb, weight, message, max_losses, max_in_a_row)
  local chunk, place = job.chunk or '0', place_of(id, job)
  if job.loss_chunk ~= chunk then
    redis.call('DEL', key('losses', id))
  end
  redis.call('RPUSH', key('losses', id), cjson.encode({
    place = place, worker = job.owner or '', weight = weight, done = count_done(place),
  }))
  redis.call('LTRIM', key('losses', id), -MOST_LOSSES_KEPT, -1)
  local losses = read_losses(id)
  redis.call('HINCRBY', key('job', id), 'losses', 1)
  redis.call('HSET', key('job', id), 'losses_in_place', #losses, 'loss_chunk', chunk)
  local is_blamed = is_to_blame(losses, max_losses)
  if is_blamed then
    local workers = {}
    for _, loss in ipairs(losses) do
      workers[#workers + 1] = loss.worker
      acquit(loss.place, id, max_in_a_row)
    end
    message = 'lost ' .. #losses .. ' times at chunk ' .. chunk .. ', on '
      .. table.concat(workers, ', ') .. '; at last: ' .. message
  else
    count_loss(place, id, max_in_a_row)
  end
  local error = { kind = 'lost', message = message, retryable = not is_blamed }
  redis.call('HSET', key('job', id), 'error', cjson.encode(error))
  local reason = weight == GONE and 'gone' or 'lost'
  return end_attempt(id, job, verb, is_blamed and 'quarantine' or 'lose', reason)
end

-- End an attempt that somebody ended from outside. That is nobody's fault, but has a bound.
local function be_ended(id, job, message, max_failures)
  redis.call('HINCRBY', key('job', id), 'losses', 1)
  local is_last = redis.call('HINCRBY', key('job', id), 'hiccups', 1) >= max_failures
  local error = { kind = 'infrastructure', message = message, retryable = true }
  redis.call('HSET', key('job', id), 'error', cjson.encode(error))
  return end_attempt(id, job, 'lose', is_last and 'fail' or 'lose', 'ended from outside')
end
