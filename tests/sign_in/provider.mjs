// A real identity provider (npm's oidc-provider, certified by the OpenID Foundation) on this host, with a door for the tests: who there is, other
// keys, and ID tokens that were tampered with by whoever holds the keys.
// Arguments: the folder of its packages, the name of this host by which it calls itself, the address to send browsers back to.
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const [packages, host, sentBackTo] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(`${packages}/${file}`));
const { default: Provider } = await load('oidc-provider/lib/index.js');
const jose = await load('jose/dist/webapi/index.js');

let redirect = sentBackTo;
let people = {};
let mode = '';
let rotations = 0;
let routes = {};
let keys;
let serve;

async function keyPair(algorithm) {
  const { privateKey } = await jose.generateKeyPair(algorithm, { extractable: true });
  return { ...await jose.exportJWK(privateKey), use: 'sig', alg: algorithm, kid: `key-${rotations += 1}` };
}

async function start(issuer, algorithm, newKeys = true) {
  if (newKeys) keys = [await keyPair(algorithm), await keyPair('RS256')];
  const client = (more) => ({
    redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'], id_token_signed_response_alg: algorithm, ...more,
  });
  const provider = new Provider(issuer, {
    clients: [
      client({ client_id: 'tact', client_secret: 'sesame & open+it 100%', token_endpoint_auth_method: 'client_secret_basic' }),
      client({ client_id: 'tact-public', token_endpoint_auth_method: 'none' }),
    ],
    jwks: { keys },
    routes,
    cookies: { keys: ['a key of the test'] },
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'] },
    claims: { openid: ['sub', 'tact'], profile: ['name', 'preferred_username', 'locale'], email: ['email'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (ctx, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
  });
  provider.use(async (ctx, next) => {
    await next();
    if (!mode || !ctx.body?.id_token) return;
    const claims = jose.decodeJwt(ctx.body.id_token);
    const header = jose.decodeProtectedHeader(ctx.body.id_token);
    if (mode === 'audience') claims.aud = 'another client';
    if (mode === 'second audience') claims.aud = ['tact', 'another client'];
    if (mode === 'issuer') claims.iss = 'https://another.example';
    if (mode === 'expired') claims.exp = 1772442000 - 61;
    if (mode === 'just expired') claims.exp = 1772442000 - 59;
    let signing = keys[0];
    if (mode === 'forged') signing = { ...await keyPair(header.alg), kid: header.kid };
    if (mode === 'unknown key') header.kid = 'nobody knows it';
    if (mode === 'not signed') {
      ctx.body.id_token = `${jose.base64url.encode('{"alg":"none"}')}.${ctx.body.id_token.split('.')[1]}.`;
    } else if (mode === 'shared secret') {
      const secret = new TextEncoder().encode(JSON.stringify(signing.n));
      ctx.body.id_token = await new jose.SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(secret);
    } else {
      ctx.body.id_token = await new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(signing, header.alg));
    }
  });
  serve = provider.callback();
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://here');
  if (url.pathname !== '/test') return serve(request, response);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const told = JSON.parse(Buffer.concat(chunks));
  if (told.people) people = told.people;
  if (told.mode !== undefined) mode = told.mode;
  if (told.routes) routes = told.routes;
  if (told.redirect) redirect = told.redirect;
  if (told.rotate) await start(issuer, told.rotate);
  else if (told.routes || told.redirect) await start(issuer, keys[0].alg, false);
  return response.end('done');
});
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const issuer = `http://${host}:${server.address().port}`;
await start(issuer, 'RS256');
console.log(`ready ${issuer}`);
