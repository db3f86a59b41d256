#!lua flags=no-writes
-- state or nothing, then ids. The records that exist (and are in the state) as one JSON text:
-- a list of {id, {name, value, ...}}. Faster to read than one reply for each field.
local wanted, found = ARGV[1], {}
for i = 2, #ARGV do
  local id = ARGV[i]
  if wanted == '' or get_state(id) == wanted then
    local fields = has_record(id) and redis.call('HGETALL', key('job', id))
    if fields then
      found[#found + 1] = { id, fields }
    end
  end
end
return #found > 0 and cjson.encode(found) or '[]'
