// A credential plugin of kubectl: gets a token from the provider and prints it as kubectl expects it.
//
//   NODE_EXTRA_CA_CERTS=CERTIFICATE node login.mjs ISSUER CLIENT
const [issuer, client] = process.argv.slice(2);
const basic = Buffer.from(`${client}:${client}s-own-secret`).toString('base64');
const answer = await fetch(`${issuer}/token`, {
  method: 'POST',
  headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
  body: 'grant_type=client_credentials',
});
const { access_token: token, expires_in: seconds } = await answer.json();
const { apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
const expirationTimestamp = new Date(Date.now() + seconds * 1000).toISOString();
console.log(JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token, expirationTimestamp } }));
