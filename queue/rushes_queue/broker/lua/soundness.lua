-- Whether a record can be read. Before this come the tables REQUIRED, INTEGERS, TIMES and JSON_FIELDS
-- with the names of fields, LATEST_MS, and NEWEST, the version of documents, made from record.py.

local QUEUE = '^[A-Za-z0-9][A-Za-z0-9._-]*%.[a-z0-9]+%.[a-z]+$' -- preset.class.priority

-- The object or list of a JSON text, or nil.
local function decode(text)
  local is_json, value = pcall(cjson.decode, text or '')
  return is_json and type(value) == 'table' and value or nil
end

local function is_integer(text)
  return text and string.match(text, '^%-?%d+$') and #text <= 20
end

local function all_fields(job, names, is_right)
  for _, name in ipairs(names) do
    if job[name] and not is_right(job[name]) then
      return false
    end
  end
  return true
end

local function is_time(text)
  return is_integer(text) and tonumber(text) >= 0 and tonumber(text) <= LATEST_MS
end

-- Whether all fields of a record, as `load` returns them, can be read. Those of a newer version are
-- left to workers that know it.
local function is_sound(job)
  if is_integer(job.schema) and tonumber(job.schema) > NEWEST then
    return true
  end
  for _, name in ipairs(REQUIRED) do
    if not job[name] then
      return false
    end
  end
  local fps = tonumber(job.fps or 0)
  return fps and fps >= 0 and fps < 1e9 and is_integer(job.seq)
    and (job.state == 'queued' or job.state == 'running' or job.state == 'paused' or FINISHED[job.state])
    and string.match(job.queue, QUEUE)
    and all_fields(job, INTEGERS, is_integer) and all_fields(job, TIMES, is_time)
    and all_fields(job, JSON_FIELDS, decode)
end
