// Published tokenizers, written into a GGUF file and read back: the same ids as from their own
// files.
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "quarry/chat.h"
#include "quarry/tokenizer.h"

#include "base/file.h"
#include "format/gguf_write.h"
#include "tests/support/gzip.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "text/tokenizer_gguf.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

// The folder of a published tokenizer with its files as a model has them.
void Unpack(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    const auto text = ReadMaybeGzip(from / name);
    if (text) {
      ASSERT_TRUE(WriteFileAtomically(to / name, *text).ok());
    }
  }
}

Result<Tokenizer> ThroughGguf(const fs::path& folder, const fs::path& file) {
  const Result<Tokenizer> own = Tokenizer::Load(folder);
  if (!own.ok()) return own.status();
  GgufBuilder builder;
  const auto vocab = static_cast<int64_t>(own->vocab_size()) + 3;  // models have some more
  if (Status s = text::WriteGgufTokenizer(folder, vocab, builder); !s.ok()) return s;
  const Status written = WriteGguf(file, builder, [](size_t, GgufSink) { return OkStatus(); });
  if (!written.ok()) return written;
  return Tokenizer::Load(file);
}

// `may_differ`: of what the format cannot say, such as white space that added tokens take along.
void ExpectSameIds(const std::string& name, int may_differ = 0) {
  const auto from = GoldenOutside("tokenizers/" + name);
  if (!from) GTEST_SKIP() << NoGoldenOutside("tokenizers/" + name);
  const TempDir dir;
  Unpack(*from, dir.path() / name);
  const Result<Tokenizer> own = Tokenizer::Load(dir.path() / name);
  const Result<Tokenizer> gguf = ThroughGguf(dir.path() / name, dir.path() / "t.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  EXPECT_EQ(gguf->bos_id(), own->bos_id());
  std::ifstream cases(*from / "encode.jsonl");
  int differ = 0, n = 0;
  for (std::string line; std::getline(cases, line);) {
    const auto c = nlohmann::json::parse(line);
    const auto text = c["text"].get<std::string>();
    const Result<std::vector<TokenId>> want = own->Encode(text), got = gguf->Encode(text);
    ASSERT_TRUE(got.ok()) << got.status().message();
    ++n;
    if (*got != *want && ++differ > may_differ) {
      ADD_FAILURE() << name << ": " << c["name"] << ": " << text.substr(0, 100);
    }
    if (*got == *want) {
      EXPECT_EQ(*gguf->Decode(*got), *own->Decode(*want)) << c["name"];
    }
  }
  EXPECT_GT(n, 10);
  const Result<ChatTemplate> chat = ChatTemplate::FromModelFolder(dir.path() / name);
  const Result<ChatTemplate> from_gguf = ChatTemplate::FromModelFolder(dir.path() / "t.gguf");
  ASSERT_EQ(chat.ok(), from_gguf.ok()) << from_gguf.status().message();
  if (!chat.ok()) return;
  const ChatMessage messages[] = {{"user", "Hello"}, {"assistant", "Hi"}, {"user", "Bye"}};
  EXPECT_EQ(*chat->Render(messages, {}), *from_gguf->Render(messages, {}));
}

TEST(TokenizerGgufGolden, Needle) {
  const fs::path folder = SourcePath("models/needle-5m");
  const TempDir dir;
  const Result<Tokenizer> own = Tokenizer::Load(folder);
  const Result<Tokenizer> gguf = ThroughGguf(folder, dir.path() / "t.gguf");
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  for (const char* text : {"The pass key is 53817.", "<|im_start|>user\n  x = [1, 22];\t\xC3\xA9",
                           "", "\xF0\x9F\x98\x80 12 345"}) {
    EXPECT_EQ(*gguf->Encode(text), *own->Encode(text)) << text;
    EXPECT_EQ(*gguf->Encode(text, {.parse_special = false}),
              *own->Encode(text, {.parse_special = false}))
        << text;
  }
}

TEST(TokenizerGgufGolden, Llama3) { ExpectSameIds("llama3_1"); }
TEST(TokenizerGgufGolden, Qwen2) { ExpectSameIds("qwen2_5"); }
TEST(TokenizerGgufGolden, Qwen3) { ExpectSameIds("qwen3"); }
TEST(TokenizerGgufGolden, MistralNemo) { ExpectSameIds("mistral_nemo"); }
TEST(TokenizerGgufGolden, Gpt2) { ExpectSameIds("gpt2"); }
TEST(TokenizerGgufGolden, SmolLm2) { ExpectSameIds("smollm2"); }
TEST(TokenizerGgufGolden, DeepSeekV3) { ExpectSameIds("deepseek_v3"); }
TEST(TokenizerGgufGolden, Mistral) { ExpectSameIds("mistral_7b"); }
TEST(TokenizerGgufGolden, Yi) { ExpectSameIds("yi"); }
TEST(TokenizerGgufGolden, Phi3) { ExpectSameIds("phi3_mini", 4); }
TEST(TokenizerGgufGolden, Falcon) { ExpectSameIds("falcon"); }

}  // namespace
}  // namespace quarry
