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
local limits = cjson.decode(ARGV[1])
local ask = cjson.decode(ARGV[2])
local count = #limits

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
      overridden_until = math.max(overridden_until, tonumber(ends))
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

local function interval(limit)
  return math.ceil(4 * limit[6] / limit[4]) / 4
end

-- Each kind: read(limit, text) gives its numbers; available(limit, a, b, c); add(limit, amount, a, b, c) gives new ones;
-- format(a, b, c); reset(limit, a, b, c) in microseconds.
local kinds = {
  gcra = {
    read = function(limit, text)
      local tat = text and tonumber(text) or now
      if tat <= now then return now end
      return math.min(tat, now + interval(limit) * limit[5])
    end,
    available = function(limit, tat)
      local every = interval(limit)
      return math.floor((now + every * limit[5] - tat) / every)
    end,
    add = function(limit, amount, tat)
      local every = interval(limit)
      return math.max(now, math.min(tat + amount * every, now + every * limit[5]))
    end,
    format = function(tat)
      return string.format(tat % 1 == 0 and '%.0f' or '%.2f', tat)
    end,
    reset = function(_, tat) return tat - now end,
  },
  sliding = {
    read = function(limit, text)
      local index = math.floor(now / limit[5])
      if not text then return index, 0, 0 end
      local at, current, previous = numbers(text)
      if at >= index then return at, current, previous end
      return index, 0, at == index - 1 and current or 0
    end,
    available = function(limit, index, current, previous)
      local left = math.min(limit[5], (index + 1) * limit[5] - now)
      return limit[4] - current - math.ceil(previous * left / limit[5])
    end,
    add = function(limit, amount, index, current, previous)
      return index, math.max(0, math.min(current + amount, math.max(limit[4], current))), previous
    end,
    format = function(index, current, previous)
      return string.format('%.0f %.0f %.0f', index, current, previous)
    end,
    reset = function(limit, index, current, previous)
      if current == 0 and previous == 0 then return 0 end
      return (index + (current > 0 and 2 or 1)) * limit[5] - now
    end,
  },
  calendar = {
    read = function(limit, text)
      local start = now >= limit[7] and limit[7] or now >= limit[6] and limit[6] or limit[5]
      if not text then return start, 0 end
      local at, used = numbers(text)
      if at >= start then return at, used end
      return start, 0
    end,
    available = function(limit, _, used) return limit[4] - used end,
    add = function(limit, amount, start, used)
      return start, math.max(0, math.min(used + amount, math.max(limit[4], used)))
    end,
    format = function(start, used) return string.format('%.0f %.0f', start, used) end,
    reset = function(limit, start, used)
      if used == 0 then return 0 end
      local ends = limit[8]
      for i = 7, 5, -1 do
        if limit[i] > start then ends = limit[i] end
      end
      return math.max(0, ends - now)
    end,
  },
}

-- A key that is not the one this node last saw was lost (flushed, failed over): what the node knows counts then. A key
-- that an operator reset ('r…') stays reset.
local known = ask[6]
local reseed = known ~= '' and
  ((known ~= generation and string.sub(generation, 1, 1) ~= 'r') or (known == generation and ask[7] == 1))

local states, available = {}, math.huge
for i = 1, count do
  local limit = limits[i]
  local kind = kinds[limit[1]]
  local a, b, c = kind.read(limit, stored[i + 2])
  if reseed and ask[i + 7] ~= '' then
    local x, y, z = kind.read(limit, ask[i + 7])
    if kind.available(limit, x, y, z) < kind.available(limit, a, b, c) then a, b, c = x, y, z end
  end
  states[i] = {a, b, c}
  if limit[3] == 0 then available = math.min(available, kind.available(limit, a, b, c)) end
end

local cost, wanted, ahead, reserve = ask[2], ask[3], ask[4], ask[5]
local granted, amount
if ask[1] == 'add' then
  -- Tokens of a lost or reset key are gone: nothing to give back.
  granted = (cost < 0 and known ~= generation) and 0 or cost
  amount = granted
elseif available < cost then
  granted, amount = -1, 0
else
  granted = math.min(wanted, available)
  granted = granted + math.max(0, math.min(ahead, available - reserve - granted))
  amount = granted
end

local answer = {granted, string.format('%.0f', now), generation, stored[2] or '', ''}
local write, lives = {}, math.max(0, overridden_until - now)
for i = 1, count do
  local limit, state = limits[i], states[i]
  local kind = kinds[limit[1]]
  local debit = amount
  if limit[3] == 1 and ask[1] == 'take' and granted >= 0 and kind.available(limit, state[1], state[2], state[3]) < granted then
    answer[5] = answer[5] .. i .. ','
    debit = 0
  end
  local a, b, c = kind.add(limit, debit, state[1], state[2], state[3])
  local text = kind.format(a, b, c)
  answer[i + 5] = text
  write[2 * i - 1], write[2 * i] = limit[2], text
  lives = math.max(lives, kind.reset(limit, a, b, c))
end

if amount ~= 0 or reseed then
  if generation == '' then
    generation = string.format('%.0f', now)
    answer[3] = generation
    write[#write + 1] = 'b'
    write[#write + 1] = generation
  end
  redis.call('HSET', KEYS[1], unpack(write))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(lives / 1000) + 1000))
end
return answer
