/** The entities that cross the socket in ProtoBuf:1. Field order is that of their numbers, as encoders write them. */
import { Message } from './messages.ts'

const ServiceKey = new Message({ id: [1, 'string'] })

export const Route = new Message({
  id: [1, 'string'],
  createdAt: [2, 'int64'],
  updatedAt: [3, 'int64'],
  name: [4, 'string'],
  protocols: [5, ['string']],
  methods: [6, ['string']],
  hosts: [7, ['string']],
  paths: [8, ['string']],
  headers: [9, ['string']],
  httpsRedirectStatusCode: [10, 'int32'],
  regexPriority: [11, 'int32'],
  stripPath: [12, 'bool'],
  preserveHost: [13, 'bool'],
  snis: [14, ['string']],
  sources: [15, ['string']],
  destinations: [16, ['string']],
  tags: [17, ['string']],
  service: [18, ServiceKey],
})

export const Service = new Message({
  id: [1, 'string'],
  createdAt: [2, 'int64'],
  updatedAt: [3, 'int64'],
  name: [4, 'string'],
  retries: [5, 'int32'],
  protocol: [6, 'string'],
  host: [7, 'string'],
  port: [8, 'int32'],
  path: [9, 'string'],
  connectTimeout: [10, 'int32'],
  writeTimeout: [11, 'int32'],
  readTimeout: [12, 'int32'],
  tags: [13, ['string']],
  clientCertificate: [14, new Message({ id: [1, 'string'] })],
})

export const Consumer = new Message({
  id: [1, 'string'],
  createdAt: [2, 'int64'],
  username: [3, 'string'],
  customId: [4, 'string'],
  tags: [5, ['string']],
})

export const AuthenticatedCredential = new Message({ id: [1, 'string'], consumerId: [2, 'string'] })

export const AuthenticateArgs = new Message({
  consumer: [1, Consumer],
  credential: [2, AuthenticatedCredential],
})

const DictStats = new Message({ allocatedSlabs: [1, 'int64'], capacity: [2, 'int64'] })

export const MemoryStats = new Message({
  luaSharedDicts: [1, new Message({ kong: [1, DictStats], kongDbCache: [2, DictStats] })],
  workersLuaVms: [2, [new Message({ httpAllocatedGc: [1, 'int64'], pid: [2, 'int64'] })]],
})

export const RawBodyResult = new Message({
  content: [1, 'bytes'],
  bodyFilepath: [2, 'string'],
  error: [3, 'string'],
})

/** A map is a list of entries on the wire. */
export const UriCapturesResult = new Message({
  unnamed: [1, ['bytes']],
  named: [2, [new Message({ key: [1, 'string'], value: [2, 'bytes'] })]],
})
