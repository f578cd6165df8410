#include "text/tokenizer_gguf.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/tokenizer.h"

#include "text/gguf_pre_tokenizers.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<std::shared_ptr<const text::Pipeline>> Read(const std::function<void(GgufBuilder&)>& fill) {
  GgufBuilder b;
  fill(b);
  const std::string bytes = b.Header();
  const Result<GgufFile> file = GgufFile::FromBytes(std::as_bytes(std::span(bytes)), "m.gguf");
  if (!file.ok()) return file.status();
  Result<text::TokenizerParts> parts = text::ParseGgufTokenizer(*file);
  if (!parts.ok()) return parts.status();
  return text::Pipeline::Create(*std::move(parts));
}

std::string ErrorOf(const std::function<void(GgufBuilder&)>& fill) {
  return Read(fill).status().message();
}

void ByteLevel(GgufBuilder& b) {
  b.SetString("tokenizer.ggml.model", "gpt2");
  b.SetString("tokenizer.ggml.pre", "gpt-2");
}

TEST(TokenizerGguf, ByteLevelBpe) {
  const auto pipeline = Read([](GgufBuilder& b) {
    ByteLevel(b);
    const std::string tokens[] = {"a", "b", "ab", "\xC4\xA0", "<eos>", "plain tag", "unused"};
    const int32_t types[] = {1, 1, 1, 1, 3, 4, 5};
    const std::string merges[] = {"a b"};
    b.SetStrings("tokenizer.ggml.tokens", tokens);
    b.SetInts("tokenizer.ggml.token_type", types);
    b.SetStrings("tokenizer.ggml.merges", merges);
    b.SetU32("tokenizer.ggml.eos_token_id", 4);
    b.SetBool("tokenizer.ggml.add_eos_token", true);
  });
  ASSERT_TRUE(pipeline.ok()) << pipeline.status().message();
  const Tokenizer t(*pipeline);
  EXPECT_THAT(*t.Encode("ab a"), ElementsAre(2, 3, 0, 4));
  EXPECT_THAT(*t.Encode("a<eos>plain tagb", {.add_special_tokens = false}),
              ElementsAre(0, 4, 5, 1));
  EXPECT_EQ(*t.Decode(std::vector<TokenId>{2, 3, 5}), "ab plain tag");
  EXPECT_EQ(t.eos_id(), 4);
  EXPECT_TRUE(t.is_special(4));
  EXPECT_FALSE(t.is_special(5));
  EXPECT_EQ(t.vocab_size(), 6u);  // the unused token is none
}

TEST(TokenizerGguf, SentencePieces) {
  const auto pipeline = Read([](GgufBuilder& b) {
    b.SetString("tokenizer.ggml.model", "llama");
    const std::string tokens[] = {"<unk>",
                                  "<s>",
                                  "\xE2\x96\x81",
                                  "a",
                                  "b",
                                  "ab",
                                  "\xE2\x96\x81"
                                  "a"};
    const int32_t types[] = {2, 3, 1, 1, 1, 1, 1};
    const float scores[] = {0, 0, -9, -9, -9, -1, -2};
    b.SetStrings("tokenizer.ggml.tokens", tokens);
    b.SetInts("tokenizer.ggml.token_type", types);
    b.SetFloats("tokenizer.ggml.scores", scores);
    b.SetU32("tokenizer.ggml.bos_token_id", 1);
  });
  ASSERT_TRUE(pipeline.ok()) << pipeline.status().message();
  const Tokenizer t(*pipeline);
  EXPECT_THAT(*t.Encode("ab a"), ElementsAre(1, 2, 5, 6));  // ab before _a; a begin token
  EXPECT_THAT(*t.Encode("?", {.add_special_tokens = false}), ElementsAre(2, 0));
}

TEST(TokenizerGguf, ErrorsNameTheKey) {
  EXPECT_EQ(ErrorOf([](GgufBuilder&) {}),
            "m.gguf: tokenizer.ggml.model is missing, must be a string");
  EXPECT_EQ(ErrorOf([](GgufBuilder& b) { b.SetString("tokenizer.ggml.model", "bert"); }),
            "m.gguf: tokenizer.ggml.model is \"bert\", must be gpt2 or llama");
  EXPECT_EQ(ErrorOf(ByteLevel),
            "m.gguf: tokenizer.ggml.tokens is missing, must be an array of strings");
  EXPECT_THAT(ErrorOf([](GgufBuilder& b) {
                b.SetString("tokenizer.ggml.model", "gpt2");
                b.SetString("tokenizer.ggml.pre", "klingon");
              }),
              HasSubstr("tokenizer.ggml.pre is \"klingon\", must be one of gpt-2, smollm"));
  const std::string tokens[] = {"a", "b"};
  const int32_t one[] = {1};
  EXPECT_THAT(
      ErrorOf([&](GgufBuilder& b) {
        ByteLevel(b);
        b.SetStrings("tokenizer.ggml.tokens", tokens);
        b.SetInts("tokenizer.ggml.token_type", one);
      }),
      HasSubstr("token_type is an array of 1 i32, must have one element for each of the 2"));
  for (const char* merge : {"ab", "", "a c"}) {
    const std::string merges[] = {merge};
    EXPECT_THAT(ErrorOf([&](GgufBuilder& b) {
                  ByteLevel(b);
                  b.SetStrings("tokenizer.ggml.tokens", tokens);
                  b.SetStrings("tokenizer.ggml.merges", merges);
                }),
                HasSubstr("tokenizer.ggml.merges"))
        << merge;
  }
  const std::string bad[] = {"a", "\xff"};
  EXPECT_THAT(ErrorOf([&](GgufBuilder& b) {
                ByteLevel(b);
                b.SetStrings("tokenizer.ggml.tokens", bad);
              }),
              HasSubstr("token 1 is"));
  EXPECT_THAT(ErrorOf([&](GgufBuilder& b) {
                b.SetString("tokenizer.ggml.model", "llama");
                b.SetStrings("tokenizer.ggml.tokens", tokens);
              }),
              HasSubstr("tokenizer.ggml.scores is missing"));
}

TEST(TokenizerGguf, EveryPreTokenizerCanBeMade) {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "glm4", "qwen2", "tekken", "gpt-4o",
                           "deepseek-v3", "falcon", "default", "starcoder", "chatglm-bpe"}) {
    const auto entry = text::FindGgufPreTokenizer(name);
    ASSERT_TRUE(entry.ok()) << entry.status().message();
    const auto made = text::MakePreTokenizer(**entry);
    EXPECT_TRUE(made.ok()) << name << ": " << made.status().message();
  }
}

}  // namespace
}  // namespace quarry
