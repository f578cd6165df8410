// What must hold for any text and any tokens.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/tokenizer.h"

#include "base/rng.h"
#include "base/utf8.h"
#include "tests/support/paths.h"
#include "tests/text/random_text.h"

namespace quarry {
namespace {

Tokenizer Load(const char* name) {
  const Result<Tokenizer> t = Tokenizer::Load(GoldenInTree("tokenizers") / name);
  EXPECT_TRUE(t.ok()) << t.status().message();
  return *t;
}

// A byte-level tokenizer with all 256 bytes loses nothing.
TEST(TokenizerProperty, ByteLevelRoundTrip) {
  const Tokenizer t = Load("needle_5m");
  Rng rng(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text =
        RandomText(rng, rng.Below(60), {"the", "<|im_end|>", "pass key", "12"});
    for (const bool parse : {true, false}) {
      const auto ids = t.Encode(text, {.add_special_tokens = false, .parse_special = parse});
      ASSERT_TRUE(ids.ok());
      ASSERT_EQ(*t.Decode(*ids), text) << "text " << i;
      if (parse) continue;
      for (const TokenId id : *ids) ASSERT_FALSE(t.is_special(id));
    }
  }
}

// Encoding in two halves at an added token is encoding at once.
TEST(TokenizerProperty, AddedTokensSeparate) {
  const Tokenizer t = Load("needle_5m");
  Rng rng(2);
  for (int i = 0; i < 500; ++i) {
    const std::string a = RandomText(rng, 20), b = RandomText(rng, 20);
    std::vector<TokenId> want = *t.Encode(a);
    const std::vector<TokenId> rest = *t.Encode(b);
    want.push_back(1);
    want.insert(want.end(), rest.begin(), rest.end());
    ASSERT_EQ(*t.Encode(a + "<|im_start|>" + b), want) << i;
  }
}

// Token by token: whole characters, always a beginning of the whole, and in the end all of it. With
// byte tokens a stream may say less than decoding at once, so there only the first holds.
TEST(TokenizerProperty, StreamingEqualsAtOnce) {
  for (const char* name : {"needle_5m", "bpe_suffix", "bpe_prefix", "bpe_flags", "bpe_splits",
                           "unigram", "word_piece", "word_level", "bpe_bytes", "unigram_bytes"}) {
    const Tokenizer t = Load(name);
    const bool bytes = std::string(name).ends_with("_bytes");
    Rng rng(3);
    for (int i = 0; i < 400; ++i) {
      std::vector<TokenId> ids;
      for (uint64_t n = rng.Below(30); n > 0; --n) {
        const size_t few = rng.Below(2) == 0 ? 260 : t.vocab_size();
        ids.push_back(static_cast<TokenId>(rng.Below(std::min(few, t.vocab_size()))));
      }
      const DecodeOptions options = {.skip_special = rng.Below(2) == 0};
      const std::string whole = *t.Decode(ids, options);
      Detokenizer stream(t, options);
      std::string text;
      for (const TokenId id : ids) {
        const std::string piece = *stream.Add(id);
        ASSERT_TRUE(IsValidUtf8(piece));
        text += piece;
        if (!bytes) {
          ASSERT_TRUE(whole.starts_with(text)) << name << " " << i;
        }
      }
      text += *stream.Flush();
      ASSERT_TRUE(IsValidUtf8(text));
      if (!bytes) {
        ASSERT_EQ(text, whole) << name << " " << i;
      }
    }
  }
}

// Text that was encoded comes back the same through a stream, byte tokens or not.
TEST(TokenizerProperty, StreamsOfEncodedText) {
  for (const char* name : {"needle_5m", "bpe_bytes", "unigram_bytes"}) {
    const Tokenizer t = Load(name);
    Rng rng(4);
    for (int i = 0; i < 300; ++i) {
      const std::vector<TokenId> ids = *t.Encode(RandomText(rng, rng.Below(40)));
      Detokenizer stream(t);
      std::string text;
      for (const TokenId id : ids) text += *stream.Add(id);
      text += *stream.Flush();
      ASSERT_EQ(text, *t.Decode(ids)) << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace quarry
