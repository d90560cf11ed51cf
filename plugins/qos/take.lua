-- Decides over all limits of one subject and debits all of them or none. The same as limiter.ts, number for number.
--
-- KEYS[1]  the subject's hash: b = generation, o = overrides, one field a limit
-- ARGV[1]  the request and its limits, one flat list in JSON:
--            operation "take" or "add", cost, wanted, ahead, reserve, generation, forced,
--            what the node knew last of each limit: its state, or "" for nothing,
--            seven places a limit: kind, field, shadow, requests, burst, per, figures
--          per is a time, of a calendar limit the list of its four bounds; times are in microseconds. burst is of
--          meaning to gcra only. shadow 1: the limit refuses nothing, and is debited only when it would have admitted
-- Answers  a list in JSON: granted (-1: refused), now in seconds and microseconds, generation, overrides, the shadow
--          limits that would have refused (their places from 0 on), the state of each limit
--
-- The state of a limit is a number (gcra: the theoretical arrival time) or numbers separated by commas (sliding: number
-- of the window, its count, the count before; calendar: beginning of the period, its count, its end). Behind it stand
-- the figures that it was stored under, each after a comma: of gcra interval, burst, requests where they differ from
-- burst; of sliding window, requests; of calendar requests. Where they are not those of the limit, the state is carried
-- over (see gcra.ts, sliding.ts). A state that the node knew under other figures has those behind it.
--
-- Written for speed, since it runs for every request: one flat list is read faster than lists in a list, one text is
-- answered faster than a list, a table is filled faster where it was made with room, and figures are compared as text.
local ask = cjson.decode(ARGV[1])
local known = ask[6]
local count = (#ask - 7) / 8
local unpack, floor, ceil, min, max, format = unpack, math.floor, math.ceil, math.min, math.max, string.format

-- The places of limit i stand behind base + 7 * i.
local base = count

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local fields = {'b', 'o', 0, 0, 0}
for i = 1, count do fields[i + 2] = ask[base + 7 * i + 2] end
local stored = redis.call('HMGET', KEYS[1], unpack(fields, 1, count + 2))
local generation, overrides = stored[1] or '', stored[2] or ''

local overridden_until = 0
if overrides ~= '' then
  for field, requests, burst, ends in string.gmatch(overrides, '(%S+) (%d+) (%d+) (%d+);') do
    if tonumber(ends) > now then
      overridden_until = max(overridden_until, tonumber(ends))
      for i = 1, count do
        local at = base + 7 * i
        -- Without figures: they are made below.
        if ask[at + 2] == field then ask[at + 4], ask[at + 5], ask[at + 7] = tonumber(requests), tonumber(burst), nil end
      end
    end
  end
end

local function figures_of(kind, requests, burst, per)
  if kind == 'gcra' then
    local all = format(per % 1 == 0 and ',%.0f,%.0f' or ',%.2f,%.0f', per, burst)
    return burst == requests and all or format('%s,%.0f', all, requests)
  end
  return kind == 'sliding' and format(',%.0f,%.0f', per, requests) or format(',%.0f', requests)
end

-- The counts of a sliding limit as its window `index` sees them.
local function follow(index, at, current, previous)
  if at >= index then return at, current, previous end
  return index, 0, at == index - 1 and current or 0
end

-- A state lies further ahead than its limit reaches, for the clock has stepped back. It is read as what it can be at
-- most, and written as that, or it would refuse until the clock has come to where it was.
local beyond = false

-- per: of a gcra limit its interval. was: the first figure that the state was stored under, where it may differ.
local function read(kind, burst, per, was, a, b, c)
  if kind == 'gcra' then
    if not a or a <= now then return now end
    local ahead = a - now
    if was and was ~= per then
      ahead = ceil(4 * (ahead / was * per)) / 4
    elseif not was and ahead > per * burst then
      beyond = true
    end
    return min(now + ahead, now + per * burst)
  elseif kind == 'sliding' then
    local index = floor(now / per)
    if not a then return {index, 0, 0} end
    if not was or was == per then
      if a <= index then return {follow(index, a, b, c)} end
      beyond = true
      return {index, b + c, 0}
    end
    local _, current, previous = follow(floor(now / was), a, b, c)
    return {index, current + previous, 0}
  end
  local start = now >= per[3] and per[3] or now >= per[2] and per[2] or per[1]
  if not a then return {start, 0} end
  if a > per[3] then
    beyond = true
    return {start, b}
  end
  if a >= start then return {a, b} end
  return {start, c > now and b or 0}
end

local function stored_state(kind, burst, per, figures, text)
  if not text then return read(kind, burst, per) end
  if kind == 'gcra' then
    local at = string.find(text, figures, 1, true)
    if at and at + #figures > #text then return read(kind, burst, per, nil, tonumber(string.sub(text, 1, at - 1))) end
    local tat, interval = string.match(text, '([^,]+),([^,]+)')
    return read(kind, burst, per, tonumber(interval), tonumber(tat))
  end
  local a, b, c, d = string.match(text, '([^,]+),([^,]+),([^,]+),([^,]+)')
  return read(kind, burst, per, tonumber(d), tonumber(a), tonumber(b), tonumber(c))
end

local function known_state(kind, burst, per, state)
  if type(state) == 'number' then return read(kind, burst, per, nil, state) end
  if kind == 'gcra' then return read(kind, burst, per, state[2], state[1]) end
  if kind == 'sliding' then return read(kind, burst, per, state[4], state[1], state[2], state[3]) end
  return read(kind, burst, per, nil, state[1], state[2], state[3])
end

local function available(kind, requests, burst, per, state)
  if kind == 'gcra' then return floor((now + per * burst - state) / per) end
  if kind == 'sliding' then
    local left = min(per, (state[1] + 1) * per - now)
    return requests - state[2] - ceil(state[3] * left / per)
  end
  return requests - state[2]
end

-- A key that is not the one this node last saw was lost (flushed, failed over): what the node knows counts then. A key
-- that an operator reset ('r…') stays reset.
local reseed = known ~= '' and
  ((known ~= generation and string.sub(generation, 1, 1) ~= 'r') or (known == generation and ask[7] == 1))

local states, least = {0, 0, 0}, math.huge
for i = 1, count do
  local at = base + 7 * i
  local kind, _, shadow, requests, burst, per, figures = unpack(ask, at + 1, at + 7)
  if kind == 'gcra' then
    per = ceil(4 * per / requests) / 4
    ask[at + 6] = per
  end
  if not figures then
    figures = figures_of(kind, requests, burst, per)
    ask[at + 7] = figures
  end
  local state = stored_state(kind, burst, per, figures, stored[i + 2])
  local left = available(kind, requests, burst, per, state)
  if reseed and ask[7 + i] ~= '' then
    local remembered = known_state(kind, burst, per, ask[7 + i])
    local remaining = available(kind, requests, burst, per, remembered)
    if remaining < left then state, left = remembered, remaining end
  end
  if shadow == 0 and left < least then least = left end
  states[i] = state
end

local cost, amount, granted = ask[2], 0, -1
local takes = ask[1] == 'take'
if not takes then
  -- Tokens of a lost or reset key are gone: nothing to give back.
  granted = (cost < 0 and known ~= generation) and 0 or cost
  amount = granted
elseif least >= cost then
  granted = min(ask[3], least)
  if cost > 1 then granted = granted - granted % cost end
  granted = granted + max(0, min(ask[4], least - ask[5] - granted))
  amount = granted
end

-- Where the period of a calendar limit ends that began there.
local function end_of(bounds, start)
  for bound = 1, 4 do
    if bounds[bound] > start then return bounds[bound] end
  end
  return bounds[4]
end

local overrun, after = '', ''
local write, lives = {0, 0, 0, 0, 0, 0, 0, 0}, max(0, overridden_until - now)
for i = 1, count do
  local at = base + 7 * i
  local kind, field, shadow, requests, burst, per, figures = unpack(ask, at + 1, at + 7)
  local state, debit, reset, text, told = states[i], amount, 0, nil, nil
  if takes and shadow == 1 and available(kind, requests, burst, per, state) < granted then
    overrun = (overrun == '' and '' or overrun .. ',') .. i - 1
    debit = 0
  end
  if kind == 'gcra' then
    local tat = max(now, min(state + debit * per, now + per * burst))
    text = format(tat % 1 == 0 and '%.0f' or '%.2f', tat)
    told = text
    reset = tat - now
  else
    local used = max(0, min(state[2] + debit, max(requests, state[2])))
    if kind == 'sliding' then
      text = format('%.0f,%.0f,%.0f', state[1], used, state[3])
      if used > 0 or state[3] > 0 then reset = (state[1] + (used > 0 and 2 or 1)) * per - now end
    else
      local ends = end_of(per, state[1])
      text = format('%.0f,%.0f,%.0f', state[1], used, ends)
      if used > 0 then reset = max(0, ends - now) end
    end
    told = '[' .. text .. ']'
  end
  after = i == 1 and told or after .. ',' .. told
  write[2 * i - 1], write[2 * i] = field, text .. figures
  if reset > lives then lives = reset end
end

if amount ~= 0 or reseed or beyond then
  local length = 2 * count
  if generation == '' then
    generation = format('%.0f', now)
    write[length + 1], write[length + 2] = 'b', generation
    length = length + 2
  end
  redis.call('HSET', KEYS[1], unpack(write, 1, length))
  redis.call('PEXPIRE', KEYS[1], ceil(lives / 1000) + 1000)
end
overrides = overrides == '' and '""' or cjson.encode(overrides)
return '[' .. granted .. ',' .. time[1] .. ',' .. time[2] .. ',"' .. generation .. '",' .. overrides ..
  ',[' .. overrun .. '],[' .. after .. ']]'
