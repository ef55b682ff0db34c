import assert from "node:assert/strict";
import { countSteps } from "../../../tests/support/steps.ts";
import { MASK, redact } from "./redact.ts";

/** Lines with their secrets between « and »; nothing else of them may change. */
const LINES = String.raw`
  password «hunter2»
  password «two words»
  password "«hunter2»"
  password '«hunter2»'
  passphrase «correct horse battery»
  pass «hunter2»
  bind_pw «hunter2»
  bindpw «hunter2»
  passwd «x»
  smtp_password "«a \"quoted\" one»"
  shared_key «abc»
  shared_key "«a b»"
  aws_sec_key «AbC/1+2»
  aws_key_id AKIA«IOSFODNN7EXAMPLE»
  secret_access_key «AbC/1+2=»
  s3_secret_key «x»
  azure_storage_access_key «Zm9v==»
  license_key «0123456789abcdef»
  licence_key «0123456789abcdef»
  api_key «abc»
  apikey «abc»
  datadog_api_key «abc»
  access_token «abc»
  auth_token «abc»
  hec_token «00000000-0000-0000-0000-000000000000»
  splunk_token «abc»
  token «abc»
  logdna_ingestion_key «abc»
  write_key «abc»
  routing_key «R0123»
  client_secret «abc»
  sasl_plain_password «abc»
  ssl_client_cert_key_password «abc»
  private_key_passphrase «abc»
  connection_string «Endpoint=sb://x/;SharedAccessKey=abc»
  webhook_url «https://hooks.slack.com/services/T0/B0/abc»
  url https://hooks.slack.com/services/«T000/B000/abcdefgh»
  endpoint https://discord.com/api/webhooks/123456/«abc-def_ghi»
  endpoint https://x.webhook.office.com/webhookb2/«abc@def/IncomingWebhook/x/y»
  endpoint https://api.telegram.org/bot«123456:ABCdefGHI/send»
  endpoint https://u:«pw»@host/x
  proxy http://:«pw»@host
  hosts https://elastic:«pw»@es1:9200,https://elastic:«pw»@es2:9200
  url redis://:«pw»@127.0.0.1:6379/0
  uri amqp://guest:«p%40w»@host/vhost
  sentry_dsn https://«0123456789abcdef0123456789abcdef»@sentry.example/1
  headers {"Authorization":"Bearer «ab.c-1»"}
  headers {"Authorization" : "Basic «dTpw»"}
  headers {"x-api-key":"«abc»","accept":"text/plain"}
  headers {"X-Auth-Token":"«abc»"}
  headers {"DD-API-KEY":"«abc»"}
  custom_headers {"Cookie":"«sid=1; a=b»"}
  authorization Splunk «00000000-0000-0000»
  http_headers Authorization:Bearer «abcdef»
  command curl -s -u admin:«hunter2» http://x/
  command curl --user "admin:«hunter2»" http://x/
  command mysql --password=«hunter2» db
  command env PGPASSWORD=«hunter2» psql
  command curl -H 'Authorization: Bearer «abcdef»' http://x/
      4:   password «hunter2»
   -> password «hunter2»
"password"=>"«S»"
"password"=>"«S»", "user"=>"bob"
{"password"=>"«S»", "nested"=>{"api_key"=>"«T»"}}
{:password=>"«S»", :user=>"bob"}
{password: "«S»", user: "bob"}
{"password":"«S»","x":1}
{"password": "«S»", "x": 1}
{"api_key":"«abc»","x":1}
{"msg":"{\"password\":\"«S»\",\"x\":1}"}
{"msg":"{\\\"password\\\":\\\"«S»\\\",\\\"x\\\":1}"}
"log"=>"{\"token\":\"«S»\",\"level\":\"info\"}"
"log"=>"{\"token\"=>\"«S»\"}"
{"message":"user=bob password=«S» ip=1.2.3.4"}
{"message":"GET /x?token=«S»&page=2 HTTP/1.1"}
GET /login?user=bob&password=«S»&x=1 HTTP/1.1
https://host/path?api_key=«S»&x=1
https://account.blob.core.windows.net/c?sv=2020&sig=«Zm9v%3D»&se=2026
DefaultEndpointsProtocol=https;AccountName=x;AccountKey=«Zm9vYmFy==»;EndpointSuffix=core.windows.net
Endpoint=sb://x.example/;SharedAccessKeyName=n;SharedAccessKey=«Zm9v=»
Server=db;User Id=sa;Password=«S»;Encrypt=true
password: «hunter2»
password: "«hunter2»"
  password: '«hunter2»'
  - token: «abc»
clientSecret: «abc»
sharedKey: "«abc»"
DB_PASSWORD=«hunter2»
export AWS_SECRET_ACCESS_KEY=«AbC/1»
2026-11-23 06:20:44 +0000 [warn]: #0 failed to flush the buffer. error="401 for https://u:«pw»@host/x"
2026-11-23 06:20:44 +0000 [warn]: #0 dump an error event: record={"user"=>"bob", "password"=>"«S»"}
2026-11-23 06:20:44 +0000 [error]: config error file="x" error="bad value password=«S»"
2026-11-23 06:20:44 +0000 [info]: using configuration file: <ROOT> headers {"Authorization":"Bearer «abcdef»"}
aws_sec_key=«abc» next
Authorization: Bearer «abcdef»
authorization: Basic «dTpw»
Set-Cookie: «sid=abc»
token «ghp_0123456789abcdefghij»
got ghp_«0123456789abcdefghij» from git
slack xoxb-«123456789012-abcdef»
jwt «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def»
-----BEGIN RSA PRIVATE KEY-----«\nMIIE\nabc\n»-----END RSA PRIVATE KEY-----
"private_key"=>"«-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n»"
{"private_key":"«-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n»","type":"service_account"}
  secret_key: «!fluent/s "hunter2"»
  $password: «hunter2»
  auth: «{username: bob, password: hunter2}»
  - {"name":"x","api_key":"«abc»"}
{:db=>{:user=>"bob", :pass=>"«S»"}, :port=>1}
#<Config host="x" password="«S»" port=1>
#<struct Login user="bob", passwd="«S»">
{"headers"=>{"Authorization"=>"Bearer «abcdef»", "Accept"=>"*/*"}}
{"headers"=>{"Proxy-Authorization"=>"Basic «dTpwdw»"}}
"@password"=>"«S»"
@password="«S»", @user="bob"
password = «hunter2»
password="«hunter2»"
password='«hunter2»'
Password: «hunter2»
PASSWORD=«hunter2»
user=bob&pwd=«hunter2»&x=1
pwd=«hunter2»;database=x
jdbc:postgresql://host/db?user=bob&password=«hunter2»
postgres://bob:«hunter2»@db:5432/x
mongodb+srv://bob:«hunter2»@cluster0.example.net/x
smtp://bob%40x.org:«p:w»@mail:587
nats://«s3cr3tTok3nOfNats»@nats:4222
wss://bob:«hunter2»@host/ws
ftp://bob:«hunter2»@host/
-u bob:«hunter2» http://x
curl -ubob:«hunter2» http://x/
curl -H "X-Api-Key: «abcdef»" http://x/
curl --header 'Authorization: Basic «dTpwdw»' x
wget --password=«hunter2» http://x
--token «abcdef» --verbose
run --token «abcdef»
--api-key=«abcdef» --verbose
X-Vault-Token: «s.abcdefgh»
X-Amz-Security-Token: «FwoGZXIvYXdzEXAMPLE»
https://b.s3.amazonaws.com/k?X-Amz-Signature=«0f1e2d»&X-Amz-Date=1
https://b.s3.amazonaws.com/k?AWSAccessKeyId=x&Signature=«abc%3D»&Expires=1
aws_secret_access_key = «AbC/1+2=»
{"AccessKeyId":"ASIA«IOSFODNN7EXAMPLE»","SecretAccessKey":"«abc»","SessionToken":"«def»"}
AccountKey=«Zm9v+/==»
SharedAccessSignature=«sr=x»
BlobEndpoint=https://x;SharedAccessSignature=«sv=2020»&sig=«abc»
{\"client_secret\":\"«abc»\",\"grant_type\":\"x\"}
{\"headers\":{\"authorization\":\"Bearer «abcdef»\"}}
client_id=me&client_secret=«abc»&grant_type=client_credentials
refresh_token=«1//0abc» expired
id_token: «abc.def»
passphrase: «correct horse battery staple»
passcode «123456789»
pin_code_secret «abc»
new_relic_license_key «0123456789abcdef0123456789abcdef01234567»
x_dd_api_key: «abc»
dd-api-key=«abc»
http://user:«pw»@proxy:3128
Proxy-Authorization: Basic «dTpwdw»
Cookie: «session=abc; path=/»
bot_token «xoxb-123456789012-abcdef»
github_token «ghp_0123456789abcdefghij»
credentials «abc»
ssh_passphrase "«a b c»"
encryption_key «00112233»
sse_customer_key «00112233»
hmac_key «00112233»
client_key_password «abc»
keystore_password «abc»
truststore_password «abc»
kerberos_password «abc»
login_password «abc»
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="bob" password="«hunter2»";
2026-11-23 06:20:44 +0000 [error]: #0 unexpected error error_class=RuntimeError error="login failed: {\"user\"=>\"bob\", \"password\"=>\"«S»\"}"
2026-11-23 06:20:44 +0000 [warn]: #0 retry_times=1 error_class=Fluent::Plugin::HTTPOutput::RetryableResponse error="503 Service Unavailable: token=«abcdef»"
2026-11-23 06:20:44.000000000 +0000 test: {"authorization":"Bearer «abcdef»","n":1}
`.split("\n").filter((line) => line !== "");

/** Lines that look like it and hold no secret. */
const HARMLESS = String.raw`
  port 24224
  @type http
  user bob
  username bob
  key message
  keys a,b
  partition_key user_id
  default_topic tokens
  tag token.log
  tokenizer standard
  message_key_field id
  primary_key id
  auth true
  sasl_over_ssl false
  client_cert_auth true
  auth_type basic
  tls_private_key_path /etc/fluent/x.key
  client_key_path /etc/fluent/x.key
  password_file /etc/fluent/pw
  token_file /var/run/secrets/token
  secret_name my-secret
  key_id abc
  monkey banana
  keyboard qwerty
  compass north
  path /var/log/secret/*.log
  pos_file /var/log/token.pos
  endpoint https://host:9200/x
  endpoint http://127.0.0.1:9200/a@b
  pattern /^(?<time>[^ ]*) (?<pass>[^ ]*)$/
  format json
{"passed":true,"tokens":12}
{"password":null,"auth":true}
"key"=>"value"
"keys"=>["a", "b"]
2026-11-23 06:20:44 +0000 [info]: #0 fluentd worker is now running worker=0
2026-11-23 06:20:44 +0000 [warn]: #0 the token is not valid
2026-11-23 06:20:44 +0000 [error]: #0 password authentication failed for user "bob"
2026-11-23 06:20:44 +0000 [info]: gem 'fluent-plugin-secure-forward' version '0.4.5'
2026-11-23 06:20:44 +0000 [info]: parameter 'passworf' in <match **> is not used.
error="Address already in use - bind(2) for 127.0.0.1:25011"
error_class=Errno::EACCES error="Permission denied @ rb_sysopen - /etc/fluent/secret.conf"
/usr/lib/ruby/3.1.0/net/protocol.rb:46:in 'connect': Failed to open TCP connection (SocketError)
password «xxxxxx»
shared_key xxxxxx
  password_field_name username
  key_name id
  secret_field msg
  token_key id
  tag_key token
  path /etc/fluent/secrets/a.conf
  pass_through true
  passive_mode true
  keypass_file /etc/x
  tls_cert_path /etc/fluent/tls/cert.pem
  partition_keys token,id
  include_tag_key true
  unique_key id
  auth_mode oauth2
  password_policy strict
  remove_keys password,token
  <match auth.token>
  <filter password.**>
  tag secret.token
  expression /token=(?<token>\w+)/
{"token_count":12,"passwords_tried":3}
{"author":"bob","authority":"x"}
"monkey"=>"banana", "turkey"=>"x"
{"tokens":["a","b"],"secretary":"x"}
https://example.com/reset-password/help
https://example.com/a?tokenize=1&passage=2
GET /tokens/12/auth HTTP/1.1
user bob has no password
the secret is out
[warn]: #0 no patterns matched tag="auth.token"
[info]: adding match pattern="secret.**" type="stdout"
-----BEGIN CERTIFICATE-----MIIE-----END CERTIFICATE-----
`.split("\n").filter((line) => line !== "").map((line) => line.replace(/[«»]/g, ""));

Deno.test("G8: redact() masks what is secret in real lines, in each syntax, and nothing else", async (t) => {
  assert.ok(LINES.length + HARMLESS.length >= 100);
  for (const line of LINES) {
    const masked = line.replace(/«[^»]*»/g, MASK);
    await t.step(line, () => assert.equal(redact(line.replace(/[«»]/g, "")), masked));
  }
  for (const line of HARMLESS) await t.step(line, () => assert.equal(redact(line), line));
});

/** The same over several lines. */
const TEXTS = [
  'password "«first\nsecond»"\nuser bob\n',
  'password "«never closed»\nuser "bob"\n',
  "password: |\n  «hunter2\n  hunter3»\nuser: bob\n",
  "  - token: >-\n      «hunter2\n\n      hunter3»\n    user: bob\n",
  '{"password":\n  "«hunter2»",\n "user": "bob"}',
  'headers {\n  "Authorization": "Bearer «abcdef»",\n  "a": "b"\n}\n',
  "-----BEGIN PRIVATE KEY-----«\nMIIE\nabc\n»-----END PRIVATE KEY-----\nuser bob\n",
  'key "-----BEGIN PRIVATE KEY-----«\nMIIE\n\ncut off here»',
  "GET / HTTP/1.1\r\nAuthorization: Bearer «abcdef»\r\nHost: x\r\n",
  "password«\n»user bob".replace(/[«»]/g, ""),
];

Deno.test("G8: redact() masks what is secret of a text of several lines", async (t) => {
  for (const text of TEXTS) {
    const masked = text.replace(/«[^»]*»/g, MASK);
    await t.step(JSON.stringify(text), () => {
      assert.equal(redact(text.replace(/[«»]/g, "")), masked);
    });
  }
});

Deno.test("G8: redact() masks nothing twice, and each line of a text", () => {
  const text = LINES.filter((line) => !line.includes("BEGIN")).join("\n");
  const once = redact(text.replace(/[«»]/g, ""));
  assert.equal(once, text.replace(/«[^»]*»/g, MASK));
  assert.equal(redact(once), once);
});

/** Long enough that a square of it would show, and short enough to be counted. */
const CHARS = 2_000;
/** Four times the text may take a little more than four times the steps; its square takes 16. */
const [TIMES, MOST] = [4, 6];

Deno.test("G8: the work of redact() grows with the length of the text alone", async () => {
  const parts = [
    "password ",
    "password=",
    '"password"=>"',
    "\\\\\\\\",
    '\\"',
    "a:",
    "https://",
    "a",
  ];
  for (const part of [...parts, "Bearer ", "-----BEGIN PRIVATE KEY-----", "eyJ", " -u ", "= "]) {
    const work = (chars: number) => countSteps(() => redact(part.repeat(chars / part.length)));
    await work(CHARS); // V8 counts a function from its first call under a count only.
    const [short, long] = [await work(CHARS), await work(TIMES * CHARS)];
    assert.ok(long <= MOST * short, `${JSON.stringify(part)}: ${short} steps, then ${long}`);
  }
});
