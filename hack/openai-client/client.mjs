// Asks a runtime with the official client: `node client.mjs URL [KEY]` prints what
// the client made of the answers, as JSON.
import OpenAI from 'openai';

const [url, key = 'none'] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + '/v1', apiKey: key, maxRetries: 0 });
const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'say hello' }];
const model = (await client.models.list()).data[0].id;

async function whole() {
  const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
  return { text: data.choices[0].message.content, finish: data.choices[0].finish_reason, usage: data.usage.total_tokens,
    citations: data.citations.length, cache: response.headers.get('x-cache') };
}

async function streamed() {
  const { data, response } = await client.chat.completions
    .create({ model, messages, stream: true, stream_options: { include_usage: true } }).withResponse();
  const result = { text: '', finish: null, usage: null, citations: 0, cache: response.headers.get('x-cache') };
  for await (const chunk of data) {
    const choice = chunk.choices[0];
    result.text += choice?.delta.content ?? '';
    result.finish = choice?.finish_reason ?? result.finish;
    result.usage = chunk.usage?.total_tokens ?? result.usage;
    result.citations = chunk.citations?.length ?? result.citations;
  }
  return result;
}

// The helper that puts a stream together and checks it as it does.
async function accumulated() {
  const completion = await client.chat.completions.stream({ model, messages }).finalChatCompletion();
  return { text: completion.choices[0].message.content, finish: completion.choices[0].finish_reason };
}

async function refused() {
  try {
    await client.chat.completions.create({ model, messages, n: 2 });
    return 'no error';
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param, type: error.type };
  }
}

console.log(JSON.stringify({
  model,
  retrieved: (await client.models.retrieve(model)).id,
  streamedMiss: await streamed(),
  streamedHit: await streamed(),
  whole: await whole(),
  accumulated: await accumulated(),
  refused: await refused(),
}));
