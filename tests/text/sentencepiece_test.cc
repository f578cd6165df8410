// tokenizer.model files made by hand, and character maps. See also sentencepiece_property_test.cc.

#include "text/sentencepiece.h"

#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quarry/tokenizer.h"

#include "base/file.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "tests/support/temp_dir.h"
#include "text/pipeline.h"

namespace quarry::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Protocol buffers by hand.
std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string Number(int field, uint64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(value);
}
std::string Bytes(int field, const std::string& bytes) {
  return Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(bytes.size()) + bytes;
}
std::string Float(int field, float value) {
  char raw[4];
  std::memcpy(raw, &value, 4);
  return Varint(static_cast<uint64_t>(field) << 3 | 5) + std::string(raw, 4);
}
std::string Piece(const std::string& text, float score, int type = 1) {
  return Bytes(1, Bytes(1, text) + Float(2, score) +
                      (type == 1 ? "" : Number(3, static_cast<uint64_t>(type))));
}

const std::string kHead = Piece("<unk>", 0, 2) + Piece("<s>", 0, 3) + Piece("</s>", 0, 3);
const std::string kBpe = Bytes(2, Number(3, 2));
const std::string kPieces =
    Piece("\u2581", -1) + Piece("a", -2) + Piece("b", -3) + Piece("ab", 0) + Piece("\u2581ab", -1);

Result<Tokenizer> LoadModel(const std::string& proto, const std::string& config = "") {
  TempDir dir;
  EXPECT_TRUE(WriteFileAtomically(dir.path() / "tokenizer.model", proto).ok());
  if (!config.empty()) {
    EXPECT_TRUE(WriteFileAtomically(dir.path() / "tokenizer_config.json", config).ok());
  }
  return Tokenizer::Load(dir.path());
}

TEST(SentencePiece, Bpe) {
  const auto t = LoadModel(kHead + kPieces + kBpe);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_THAT(*t->Encode("ab"), ElementsAre(1, 7));  // a begin token unless the config says no
  EXPECT_THAT(*t->Encode("ab", {.add_special_tokens = false}), ElementsAre(7));
  EXPECT_THAT(*t->Encode("  ab  b", {.add_special_tokens = false}), ElementsAre(7, 3, 5));
  EXPECT_THAT(*t->Encode("axyb", {.add_special_tokens = false}), ElementsAre(3, 4, 0, 5));
  EXPECT_EQ(t->bos_id(), 1);
  EXPECT_EQ(t->eos_id(), 2);
  EXPECT_EQ(*t->Decode(std::vector<TokenId>{1, 7, 7, 2}), "<s> ab ab</s>");
  EXPECT_EQ(*t->Decode(std::vector<TokenId>{1, 7, 7, 2}, {.skip_special = true}), "ab ab");
  EXPECT_THAT(*t->Encode("<s>ab", {.add_special_tokens = false}), ElementsAre(1, 7));
  EXPECT_THAT(*t->Encode("<s>", {.add_special_tokens = false, .parse_special = false}),
              ElementsAre(3, 0));
}

TEST(SentencePiece, ConfigOfTheFolder) {
  const auto t = LoadModel(kHead + kPieces + kBpe,
                           R"({"add_bos_token": false, "add_eos_token": true, "eos_token": "<x>",
      "added_tokens_decoder": {"8": {"content": "<x>", "special": true, "rstrip": true}}})");
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->vocab_size(), 9u);
  EXPECT_EQ(t->eos_id(), 8);
  EXPECT_THAT(*t->Encode("<x>  ab"), ElementsAre(8, 7, 2));
  const auto clash =
      LoadModel(kHead + kPieces + kBpe, R"({"added_tokens_decoder": {"1": {"content": "<x>"}}})");
  EXPECT_THAT(clash.status().message(), HasSubstr("id 1 is \"<x>\", in the model \"<s>\""));
}

TEST(SentencePiece, RefusesWithAReason) {
  const std::string longest(2000, 'a');
  struct {
    std::string proto, reason;
  } const rows[] = {
      {"", "no pieces"},
      {"\xFF\xFF", "malformed file"},
      {kBpe, "no pieces"},
      {kHead + kPieces.substr(0, kPieces.size() - 1) + kBpe, "malformed"},
      {kPieces + kBpe, "0 unknown pieces"},
      {kHead + Piece("<unk2>", 0, 2) + kBpe, "2 unknown pieces"},
      {kHead + Piece("a", 0) + Piece("a", 1) + kBpe, "pieces 3 and 4 are both \"a\""},
      {kHead + Piece("", 0) + kBpe, "piece 3 is empty"},
      {kHead + Piece("\xFF", 0) + kBpe, "piece 3 is empty or not UTF-8"},
      {kHead + Piece("a", 0, 9) + kBpe, "piece 3 has type 9"},
      {kHead + Piece("a", std::bit_cast<float>(0x7F800000u)) + kBpe, "not finite"},
      {kHead + Piece(longest, 0) + kBpe, "has 2000 bytes"},
      {kHead + kPieces + Bytes(2, Number(3, 3)), "word and character models"},
      {kHead + kPieces + Bytes(2, Number(3, 7)), "model_type is 7"},
      {kHead + kPieces + Bytes(2, Number(3, 2) + Number(24, 1)), "treat_whitespace_as_suffix"},
      {kHead + kPieces + kBpe + Bytes(5, Bytes(2, "x")), "denormalizer"},
      {kHead + kPieces + kBpe + Bytes(3, Bytes(2, "xxxx")), "character map"},
  };
  for (const auto& r : rows) {
    const auto t = LoadModel(r.proto);
    ASSERT_FALSE(t.ok()) << r.reason;
    EXPECT_THAT(t.status().message(), HasSubstr(r.reason));
  }
}

// Every way to cut a piece in two is a merge: few pieces can make very many.
TEST(SentencePiece, RefusesTooManyMerges) {
  std::string pieces;
  for (char c = 'a'; c <= 'q'; ++c) {
    for (size_t n = 1; n <= 1024; ++n) pieces += Piece(std::string(n, c), -1);
  }
  const Status s = LoadModel(kHead + pieces + kBpe).status();
  EXPECT_EQ(s.code(), StatusCode::kUnsupported);
  EXPECT_THAT(s.message(), HasSubstr("more than 8388608 merges"));
}

// Bytes flipped and files cut short: an error in one line, or a tokenizer.
TEST(SentencePiece, BrokenFilesDoNoHarm) {
  const std::string good = kHead + kPieces + kBpe;
  Rng rng(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good.substr(0, good.size() - rng.Below(i % 2 == 0 ? 1 : good.size()));
    for (uint64_t n = rng.Below(4); n > 0 && !bad.empty(); --n) {
      bad[rng.Below(bad.size())] = static_cast<char>(rng.Below(256));
    }
    auto parts = ParseSentencePiece(bad, {});
    if (!parts.ok()) {
      EXPECT_NE(parts.status().message(), "");
      EXPECT_EQ(parts.status().message().find('\n'), std::string::npos) << parts.status().message();
      continue;
    }
    const auto pipeline = Pipeline::Create(std::move(*parts));
    ASSERT_TRUE(pipeline.ok()) << pipeline.status().message();
    const auto ids = (*pipeline)->Encode("ab <s> ab\nb", {});
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    for (const TokenId id : *ids) EXPECT_TRUE((*pipeline)->IdToToken(id)) << id;
    const auto text = (*pipeline)->Decode(*ids, false);
    ASSERT_TRUE(text.ok()) << text.status().message();
    EXPECT_TRUE(IsValidUtf8(*text));
  }
}

// A double array with the keys "a" -> "x" and "ab" -> "yz", laid out by hand: the root's offset is
// 1, so 'a' lives at 1 ^ 'a' = 0x60; its offset 2 makes 'b' live at 0x62 ^ 'b'... each leaf's value
// unit lies at the node's offset.
TEST(Charsmap, ShortestAndLongest) {
  std::vector<uint32_t> units(256, 0);
  const auto unit = [](uint32_t label, uint32_t offset, bool leaf) {
    return offset << 10 | (leaf ? 1u << 8 : 0) | label;
  };
  units[0] = unit(0, 1, false);
  const uint32_t a = 1 ^ 'a';
  units[a] = unit('a', a ^ 0x80, true);  // children begin at 0x80
  units[0x80] = 0x80000000u | 0;         // the value of "a": offset 0
  const uint32_t b = 0x80 ^ 'b';
  units[b] = unit('b', b ^ 0x90, true);
  units[0x90] = 0x80000000u | 2;     // the value of "ab": offset 2
  std::string bytes = {0, 4, 0, 0};  // 1024
  for (const uint32_t u : units) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(u >> (8 * i));
  }
  bytes += std::string("x\0yz\0", 5);

  const Result<Charsmap> map = Charsmap::Parse(bytes);
  ASSERT_TRUE(map.ok()) << map.status().message();
  EXPECT_EQ(map->Shortest("abc")->replacement, "x");
  EXPECT_EQ(map->Shortest("abc")->length, 1u);
  EXPECT_EQ(map->Longest("abc")->replacement, "yz");
  EXPECT_EQ(map->Longest("abc")->length, 2u);
  EXPECT_EQ(map->Longest("ac")->replacement, "x");
  EXPECT_FALSE(map->Longest("b"));
  EXPECT_FALSE(map->Longest(""));

  // The last replacement has an end; without one it was the rest of the file.
  EXPECT_THAT(Charsmap::Parse(bytes.substr(0, bytes.size() - 1)).status().message(),
              HasSubstr("the last replacement"));
  // Wrong sizes are refused; wrong offsets find nothing.
  for (const size_t n : {0u, 3u, 100u}) EXPECT_FALSE(Charsmap::Parse(bytes.substr(0, n)).ok()) << n;
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = bytes;
    for (int k = 0; k < 8; ++k) bad[4 + rng.Below(1024)] = static_cast<char>(rng.Below(256));
    const Result<Charsmap> broken = Charsmap::Parse(bad);
    ASSERT_TRUE(broken.ok()) << broken.status().message();
    if (const auto hit = broken->Longest("abababab")) {
      EXPECT_GE(hit->length, 1u);
      EXPECT_LE(hit->length, 8u);
      EXPECT_NE(bytes.find(hit->replacement, 4 + 1024), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace quarry::text
