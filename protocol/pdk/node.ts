/** `kong.node`, `kong.cluster`, `kong.plugin`, `kong.ip` */
import { text } from './checks.ts'
import { type Fields, isTrue, object } from './decode.ts'
import type { MemoryStats } from './entities.ts'
import { EVERYWHERE } from './phases.ts'
import { call } from './row.ts'

export const node = {
  /** Id of this Kong node. */
  getId: call<() => Promise<string>>()({ phases: EVERYWHERE, wire: ['Empty', 'String'] }),
  /** Its host name. */
  getHostname: call<() => Promise<string>>()({ phases: EVERYWHERE }),
  /** What its dictionaries and Lua VMs take, bytes. */
  getMemoryStats: call<() => Promise<MemoryStats>>()({
    phases: EVERYWHERE,
    kind: 'readEachTime',
    wire: ['Empty', 'MemoryStats'],
    step: 'StepMemoryStats',
    decode: memoryStats,
  }),
}

export const cluster = {
  /** Id of the cluster. */
  getId: call<() => Promise<string | undefined>>()({ phases: EVERYWHERE }),
}

export const plugin = {
  /** Id of the plugin entity. `scope.pluginId` has it over both protocols, without a call. */
  getId: call<() => Promise<string>>()({ phases: EVERYWHERE }),
}

export const ip = {
  /** Whether the address is one of Kong's `trusted_ips`. */
  isTrusted: call<(address: string) => Promise<boolean>>()({
    phases: EVERYWHERE,
    wire: ['String', 'Bool'],
    args: { address: text },
    decode: isTrue,
  }),
}

/** Over MsgPack names are in snake_case, and sizes may come as strings. */
function memoryStats(value: unknown): MemoryStats {
  const fields = object(value) ?? {}
  const dicts = object(fields.luaSharedDicts ?? fields.lua_shared_dicts) ?? {}
  const vms = (fields.workersLuaVms ?? fields.workers_lua_vms) as Fields[] | undefined
  return {
    luaSharedDicts: Object.fromEntries(
      Object.entries(dicts).map(([name, item]) => {
        const dict = object(item) ?? {}
        const allocated = Number(dict.allocatedSlabs ?? dict.allocated_slabs ?? 0)
        return [
          name === 'kongDbCache' ? 'kong_db_cache' : name,
          { allocatedSlabs: allocated, capacity: Number(dict.capacity ?? 0) },
        ]
      }),
    ),
    workersLuaVms: (Array.isArray(vms) ? vms : []).map(vm => ({
      httpAllocatedGc: Number(vm.httpAllocatedGc ?? vm.http_allocated_gc ?? 0),
      pid: Number(vm.pid ?? 0),
    })),
  }
}
