// An OpenID provider over TLS on a free port of this machine, whose address is the only line it prints.
//
//   node provider.mjs CERTIFICATE KEY
//
// Its clients get access tokens in the form of JWTs: `ann` for this cluster, `eve` for another audience.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const [certificate, key] = process.argv.slice(2).map((file) => readFileSync(file));
const audiences = { ann: 'portcullis', eve: 'somewhere-else' };

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const client = (id) => ({
  client_id: id,
  client_secret: `${id}s-own-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
});

const server = createServer({ cert: certificate, key });
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: Object.keys(audiences).map(client),
    jwks: { keys: [{ ...signing, use: 'sig', alg: 'RS256', kid: 'first' }] },
    cookies: { keys: ['no-cookies-are-set'] },
    extraTokenClaims: () => ({ groups: ['team-a', 'readers'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'https://cluster.example',
        getResourceServerInfo: (_context, _resource, { clientId }) => ({
          scope: '',
          audience: audiences[clientId],
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
