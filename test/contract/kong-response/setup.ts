/** What the calls of the response phase met when they were recorded; ids and times are those of the access records. */

export const RESPONSE_UPSTREAM = {
  status: 201,
  headers: [
    'content-type',
    'application/json',
    'x-upstream',
    'echo',
    'x-two',
    'a',
    'x-two',
    'b',
    'etag',
    '"up"',
  ],
  body: '{"up":true}',
} as const

const TIME = { created_at: 1795188387, updated_at: 1795188387 }

const dump = (name: string, protocol: string) =>
  JSON.stringify({
    Protocol: protocol,
    Plugins: [
      {
        Name: name,
        Version: '1.0.0',
        Priority: 10,
        Phases: ['response'],
        Schema: { name, fields: [{ config: { type: 'record', fields: [] } }] },
      },
    ],
  })

/** Kong's settings for one plugin a protocol, whose servers listen in `folder`. */
export const responseSettings = (folder: string): Record<string, string> => ({
  KONG_DATABASE: 'off',
  KONG_PLUGINS: 'bundled,probe,probe-mp',
  KONG_PLUGINSERVER_NAMES: 'pb,mp',
  KONG_PLUGINSERVER_PB_SOCKET: `${folder}/pb.sock`,
  KONG_PLUGINSERVER_PB_QUERY_CMD: `printf '%s' '${dump('probe', 'ProtoBuf:1')}'`,
  KONG_PLUGINSERVER_MP_SOCKET: `${folder}/mp.sock`,
  KONG_PLUGINSERVER_MP_QUERY_CMD: `printf '%s' '${dump('probe-mp', 'MsgPack:1')}'`,
})

/** @param plugin `probe` or `probe-mp` */
export const responseConfiguration = (upstreamPort: number, plugin: string) => ({
  _format_version: '3.0',
  services: [
    {
      ...{ id: 'e50bbf27-838a-428e-a1bf-fa6b8ef07ddc', name: 'pr', host: '127.0.0.1', port: upstreamPort },
      ...TIME,
      plugins: [{ name: 'key-auth' }],
      routes: [
        {
          ...{ id: 'd0c0c2ca-5eb6-4e1c-932f-a59cb777932e', name: 'pr', paths: ['/pr'], ...TIME },
          plugins: [{ id: '550582b3-124f-4df2-bbfa-f72aee33112c', name: plugin }],
        },
      ],
    },
  ],
  consumers: [
    {
      ...{ id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8', username: 'eddie', custom_id: 'eid', tags: ['gold'] },
      ...TIME,
      keyauth_credentials: [
        { id: '80a61457-175c-4fac-a75f-0c90d84b873f', key: 'ek', created_at: TIME.created_at },
      ],
    },
  ],
})
