"""Calls through the `openai` package against a running server; what to expect is in SHOAL_FACTS."""
import json
import os
import unittest

import openai

FACTS = json.loads(os.environ["SHOAL_FACTS"])
MESSAGES = [{"role": "user", "content": FACTS["user"]}]
TOOLS = [{"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {
    "type": "object", "properties": {"query": {"type": "string"}}}}}]


class Calls(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=FACTS["url"], api_key=FACTS["key"], max_retries=0)

    def tearDown(self):
        self.client.close()

    def chat(self, **more):
        return self.client.chat.completions.create(model="demo", messages=MESSAGES, temperature=0,
                                                   max_tokens=48, **more)

    def test_whole_chat(self):
        reply = self.chat()
        self.assertEqual(reply.choices[0].message.content, FACTS["text"])
        self.assertEqual(reply.choices[0].message.role, "assistant")
        self.assertIn(reply.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(reply.usage.prompt_tokens, len(FACTS["prompt_ids"]))
        self.assertEqual(reply.usage.completion_tokens, len(FACTS["token_ids"]))

    def test_streamed_chat(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), FACTS["text"])
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual([c for c in chunks if not c.choices], chunks[-1:])
        self.assertEqual(chunks[-1].usage.completion_tokens, len(FACTS["token_ids"]))
        self.assertIsNotNone(chunks[-2].choices[0].finish_reason)

    def test_chat_logprobs(self):
        reply = self.chat(logprobs=True, top_logprobs=3)
        content = reply.choices[0].logprobs.content
        self.assertEqual(len(content), len(FACTS["token_ids"]))
        for token in content:
            self.assertEqual(len(token.top_logprobs), 3)
            # Greedy: the chosen token is the likeliest.
            self.assertEqual(token.logprob, token.top_logprobs[0].logprob)

    def test_chat_with_tools_and_thinking(self):
        reply = self.chat(tools=TOOLS, tool_choice="auto")
        self.assertTrue(reply.choices[0].message.content or reply.choices[0].message.tool_calls)
        reply = self.chat(extra_body={"chat_template_kwargs": {"enable_thinking": True}})
        self.assertTrue(reply.choices[0].message.reasoning_content)

    def test_completions(self):
        reply = self.client.completions.create(model="demo", prompt=FACTS["prompt_ids"], temperature=0, max_tokens=48)
        self.assertEqual(reply.choices[0].text, FACTS["text"])
        reply = self.client.completions.create(model="demo", prompt=["A mutex", "The kernel"], max_tokens=4, echo=True)
        self.assertTrue(reply.choices[0].text.startswith("A mutex"))
        self.assertTrue(reply.choices[1].text.startswith("The kernel"))
        text = "".join(c.choices[0].text for c in self.client.completions.create(
            model="demo", prompt=FACTS["prompt_ids"], temperature=0, max_tokens=48, stream=True))
        self.assertEqual(text, FACTS["text"])

    def test_echo_with_logprobs(self):
        reply = self.client.completions.create(model="demo", prompt=FACTS["prompt_ids"], temperature=0,
                                               max_tokens=1, echo=True, logprobs=1)
        logprobs = reply.choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), len(FACTS["prompt_ids"]) + 1)
        self.assertIsNone(logprobs.token_logprobs[0])
        for value, top in list(zip(logprobs.token_logprobs, logprobs.top_logprobs))[1:]:
            self.assertLessEqual(value, max(top.values()))
        self.assertEqual("".join(logprobs.tokens), reply.choices[0].text)

    def test_models(self):
        models = self.client.models.list()
        self.assertEqual(len(models.data), 1)
        self.assertEqual(self.client.models.retrieve(models.data[0].id).id, models.data[0].id)

    def test_errors(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="demo", messages=MESSAGES, temperature=-1)
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="demo", messages=[{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}])
        self.assertEqual(caught.exception.code, "modality_unsupported")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.completions.create(model="demo", prompt=[1] * 5000, max_tokens=1)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.NotFoundError):
            self.client.embeddings.create(model="demo", input="x")
        with openai.OpenAI(base_url=FACTS["url"], api_key="sk-wrong-wrong-wrong", max_retries=0) as stranger:
            with self.assertRaises(openai.AuthenticationError):
                stranger.models.list()


if __name__ == "__main__":
    unittest.main(argv=["openai_calls"])
