-- Decides over all limits of one subject and debits all of them or none. The same as limiter.ts, number for number.
--
-- KEYS[1]  the subject's hash: b = generation, o = overrides, one field a limit
-- ARGV[1]  the limits, JSON: ["gcra", field, shadow, requests, burst, per] | ["sliding", field, shadow, requests, per]
--          | ["calendar", field, shadow, requests, bound, bound, bound, bound]; times in microseconds; shadow 1: the
--          limit refuses nothing, and is debited only when it would have admitted
-- ARGV[2]  the request, JSON: [operation, cost, wanted, ahead, reserve, generation, forced, state, state, …]
--          operation "take" or "add"; the states are what the node knew last, "" for nothing
-- Answers  granted (-1: refused), now, generation, overrides, the shadow limits that would have refused (1-based,
--          comma-separated), and the state of each limit
--
-- The state of a limit is up to three numbers a, b, c. gcra: the theoretical arrival time. sliding: number of the
-- window, its count, the count before. calendar: beginning of the period, its count. Written for speed: it runs for
-- every request, so it makes few tables, and an interval is computed once.
local limits = cjson.decode(ARGV[1])
local ask = cjson.decode(ARGV[2])
local count = #limits
local floor, ceil, min, max, format = math.floor, math.ceil, math.min, math.max, string.format

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local fields = {'b', 'o'}
for i = 1, count do fields[i + 2] = limits[i][2] end
local stored = redis.call('HMGET', KEYS[1], unpack(fields))
local generation = stored[1] or ''

local overridden_until = 0
if stored[2] then
  for field, requests, burst, ends in string.gmatch(stored[2], '(%S+) (%d+) (%d+) (%d+);') do
    if tonumber(ends) > now then
      overridden_until = max(overridden_until, tonumber(ends))
      for i = 1, count do
        if limits[i][2] == field then
          limits[i][4] = tonumber(requests)
          if limits[i][1] == 'gcra' then limits[i][5] = tonumber(burst) end
        end
      end
    end
  end
end

local function numbers(text)
  local a, b, c = string.match(text, '(%S+) (%S+) ?(%S*)')
  return tonumber(a), tonumber(b), tonumber(c)
end

-- every: the interval of a gcra limit.
local function read(limit, every, text)
  local kind = limit[1]
  if kind == 'gcra' then
    local tat = text and tonumber(text) or now
    if tat <= now then return now end
    return min(tat, now + every * limit[5])
  elseif kind == 'sliding' then
    local index = floor(now / limit[5])
    if not text then return index, 0, 0 end
    local at, current, previous = numbers(text)
    if at >= index then return at, current, previous end
    return index, 0, at == index - 1 and current or 0
  end
  local start = now >= limit[7] and limit[7] or now >= limit[6] and limit[6] or limit[5]
  if not text then return start, 0 end
  local at, used = numbers(text)
  if at >= start then return at, used end
  return start, 0
end

local function available(limit, every, a, b, c)
  local kind = limit[1]
  if kind == 'gcra' then return floor((now + every * limit[5] - a) / every) end
  if kind == 'sliding' then
    local left = min(limit[5], (a + 1) * limit[5] - now)
    return limit[4] - b - ceil(c * left / limit[5])
  end
  return limit[4] - b
end

-- A key that is not the one this node last saw was lost (flushed, failed over): what the node knows counts then. A key
-- that an operator reset ('r…') stays reset.
local known = ask[6]
local reseed = known ~= '' and
  ((known ~= generation and string.sub(generation, 1, 1) ~= 'r') or (known == generation and ask[7] == 1))

local everies, as, bs, cs, lefts, least = {}, {}, {}, {}, {}, math.huge
for i = 1, count do
  local limit = limits[i]
  local every = limit[1] == 'gcra' and ceil(4 * limit[6] / limit[4]) / 4
  local a, b, c = read(limit, every, stored[i + 2])
  local left = available(limit, every, a, b, c)
  if reseed and ask[i + 7] ~= '' then
    local x, y, z = read(limit, every, ask[i + 7])
    local remembered = available(limit, every, x, y, z)
    if remembered < left then a, b, c, left = x, y, z, remembered end
  end
  everies[i], as[i], bs[i], cs[i], lefts[i] = every, a, b, c, left
  if limit[3] == 0 and left < least then least = left end
end

local cost, amount, granted = ask[2], 0, -1
local takes = ask[1] == 'take'
if not takes then
  -- Tokens of a lost or reset key are gone: nothing to give back.
  granted = (cost < 0 and known ~= generation) and 0 or cost
  amount = granted
elseif least >= cost then
  granted = min(ask[3], least)
  granted = granted + max(0, min(ask[4], least - ask[5] - granted))
  amount = granted
end

local answer = {granted, now, generation, stored[2] or '', ''}
local write, lives = {}, max(0, overridden_until - now)
for i = 1, count do
  local limit, every = limits[i], everies[i]
  local a, b, c = as[i], bs[i], cs[i]
  local debit = amount
  if takes and limit[3] == 1 and lefts[i] < granted then
    answer[5] = answer[5] .. i .. ','
    debit = 0
  end
  local kind, reset, state = limit[1], 0, nil
  if kind == 'gcra' then
    a = max(now, min(a + debit * every, now + every * limit[5]))
    -- Whole numbers travel as such; a fraction would be cut off.
    state = a % 1 == 0 and a or format('%.2f', a)
    reset = a - now
  elseif kind == 'sliding' then
    b = max(0, min(b + debit, max(limit[4], b)))
    state = format('%.0f %.0f %.0f', a, b, c)
    if b > 0 or c > 0 then reset = (a + (b > 0 and 2 or 1)) * limit[5] - now end
  else
    b = max(0, min(b + debit, max(limit[4], b)))
    state = format('%.0f %.0f', a, b)
    if b > 0 then
      local ends = limit[8]
      for at = 7, 5, -1 do
        if limit[at] > a then ends = limit[at] end
      end
      reset = max(0, ends - now)
    end
  end
  answer[i + 5] = state
  write[2 * i - 1], write[2 * i] = limit[2], state
  if reset > lives then lives = reset end
end

if amount ~= 0 or reseed then
  if generation == '' then
    generation = format('%.0f', now)
    answer[3] = generation
    write[2 * count + 1] = 'b'
    write[2 * count + 2] = generation
  end
  redis.call('HSET', KEYS[1], unpack(write))
  redis.call('PEXPIRE', KEYS[1], ceil(lives / 1000) + 1000)
end
return answer
