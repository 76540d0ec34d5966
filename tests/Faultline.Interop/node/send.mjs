// A real JavaScript program: OpenTelemetry's Node SDK, the OpenAI instrumentation, the OpenAI client, and a model endpoint
// that is a few lines of HTTP because no model can run here. Prints the trace id.
// Usage: node send.mjs http/protobuf|http/json|grpc ENDPOINT API_KEY
import http from 'node:http';
import { createRequire } from 'node:module';
import { NodeSDK, logs, resources, tracing } from '@opentelemetry/sdk-node';
import { OpenAIInstrumentation } from '@opentelemetry/instrumentation-openai';
import { trace } from '@opentelemetry/api';
import { Metadata } from '@grpc/grpc-js';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';

const [protocol, endpoint, apiKey] = process.argv.slice(2);
const headers = { 'x-api-key': apiKey };

async function exporter() {
  switch (protocol) {
    case 'http/protobuf': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
      return new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, headers, compression: CompressionAlgorithm.GZIP });
    }
    case 'http/json': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
      return new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, headers });
    }
    case 'grpc': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
      const metadata = new Metadata();
      metadata.set('x-api-key', apiKey);
      return new OTLPTraceExporter({ url: endpoint, metadata, compression: CompressionAlgorithm.GZIP });
    }
    default:
      throw new Error(`unknown protocol ${protocol}`);
  }
}

// This instrumentation sends what was said as log events (the conventions' form of 1.28 to 1.36), joined by span id.
async function logProcessors() {
  if (protocol === 'grpc') {
    return [];
  }
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-http');
  return [new logs.BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${endpoint}/v1/logs`, headers }) })];
}

const model = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({
      id: 'chatcmpl-fake-1', object: 'chat.completion', created: 1700000000, model: 'gpt-4o-mini-2024-07-18',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Paris, of course.' } }],
      usage: { prompt_tokens: 21, completion_tokens: 5, total_tokens: 26 },
    }));
  });
});
await new Promise((done) => model.listen(0, '127.0.0.1', done));

const sdk = new NodeSDK({
  resource: resources.resourceFromAttributes({ 'service.name': `node-${protocol.replace('/', '-')}` }),
  spanProcessors: [new tracing.BatchSpanProcessor(await exporter())],
  logRecordProcessors: await logProcessors(),
  instrumentations: [new OpenAIInstrumentation({ captureMessageContent: true })],
});
sdk.start();

// require, so that the instrumentation's hook sees the module load.
const { OpenAI } = createRequire(import.meta.url)('openai');
const client = new OpenAI({ apiKey: 'none', baseURL: `http://127.0.0.1:${model.address().port}/v1` });
let traceId;
await trace.getTracer('interop').startActiveSpan('ask', async (span) => {
  traceId = span.spanContext().traceId;
  await client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'What is the capital of France?' }] });
  span.end();
});
await sdk.shutdown();
model.close();
console.log(traceId);
