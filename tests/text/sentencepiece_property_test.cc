// tokenizer.model files against the SentencePiece library: models are trained here on made-up text,
// and then both must give the same ids.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/tokenizer.h"

#include "base/file.h"
#include "base/rng.h"
#include "tests/support/temp_dir.h"
#include "tests/text/random_text.h"
#include "text/sentencepiece.h"

#ifdef QUARRY_HAVE_SENTENCEPIECE
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#endif

namespace quarry {
namespace {

#ifdef QUARRY_HAVE_SENTENCEPIECE

// Words of several scripts with frequencies that fall off.
std::vector<std::string> MakeWords(Rng& rng) {
  const std::vector<std::vector<std::string>> syllables = {
      {"ta", "ke", "ri", "no", "sha", "th", "qu", "ing", "er", "ed", "o", "a", "Be", "X"},
      {"да", "не", "ко", "ла", "ст", "ий"},
      {"中", "文", "天", "地", "人", "日", "本"},
      {"é", "ü", "ß", "ñ", "ﬁ", "e\u0301", "Ａ", "½"},
      {"1", "2", "30", "99", ",", "-", "!"}};
  std::vector<std::string> words;
  for (int i = 0; i < 500; ++i) {
    const auto& set = syllables[rng.Below(2) == 0 ? 0 : rng.Below(syllables.size())];
    std::string word;
    for (uint64_t k = 1 + rng.Below(4); k > 0; --k) word += set[rng.Below(set.size())];
    words.push_back(word);
  }
  return words;
}

std::string MakeSentence(Rng& rng, const std::vector<std::string>& words) {
  std::string out;
  for (uint64_t k = 3 + rng.Below(12); k > 0; --k) {
    const double u = rng.Uniform();
    out += words[static_cast<size_t>(u * u * static_cast<double>(words.size()))];
    out += rng.Below(12) == 0 ? "  " : " ";
  }
  return out;
}

class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(std::vector<std::string> all) : all_(std::move(all)) {}
  bool done() const override { return at_ == all_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return all_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> all_;
  size_t at_ = 0;
};

struct Case {
  const char* name;
  const char* flags;
};

class SentencePieceTest : public testing::TestWithParam<Case> {};

TEST_P(SentencePieceTest, GivesTheIdsOfTheLibrary) {
  Rng rng(7);
  const std::vector<std::string> words = MakeWords(rng);
  std::vector<std::string> all;
  for (int i = 0; i < 1500; ++i) all.push_back(MakeSentence(rng, words));
  Sentences sentences(std::move(all));

  std::string proto;
  const auto trained = sentencepiece::SentencePieceTrainer::Train(
      std::string("--vocab_size=600 --character_coverage=0.999 --minloglevel=3 --num_threads=2 "
                  "--hard_vocab_limit=false ") +
          GetParam().flags,
      &sentences, &proto);
  ASSERT_TRUE(trained.ok()) << trained.ToString();
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(proto).ok());

  TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir.path() / "tokenizer.model", proto).ok());
  const Result<Tokenizer> tokenizer = Tokenizer::Load(dir.path());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->vocab_size(), static_cast<size_t>(library.GetPieceSize()));
  EXPECT_EQ(tokenizer->bos_id().value_or(-1), library.bos_id());
  EXPECT_EQ(tokenizer->eos_id().value_or(-1), library.eos_id());

  std::vector<std::string> parts = words;
  for (const char* s : {"<tag>", "<tag", "\u2581", "\u2581\u2581", "<0x41>", "aaaa", "xx y"}) {
    parts.emplace_back(s);
  }
  // Without parse_special control pieces are ordinary text, as they are for the library.
  const EncodeOptions options = {.add_special_tokens = false, .parse_special = false};
  for (int i = 0; i < 2000; ++i) {
    std::string text = RandomText(rng, 1 + rng.Below(30), parts);
    if (i % 50 == 0) text += "<s></s><unk>";
    const Result<std::vector<TokenId>> ids = tokenizer->Encode(text, options);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    ASSERT_EQ(*ids, library.EncodeAsIds(text)) << GetParam().name << " text " << i << ": " << text;
  }
  const std::string longer = MakeSentence(rng, words) + std::string(5000, 'a') + " " +
                             std::string(3000, ' ') + MakeSentence(rng, words);
  EXPECT_EQ(*tokenizer->Encode(longer, options), library.EncodeAsIds(longer));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, SentencePieceTest,
    testing::Values(
        Case{"llama",
             "--model_type=bpe --byte_fallback --normalization_rule_name=identity "
             "--remove_extra_whitespaces=false --split_digits"},
        Case{"bpe_nfkc", "--model_type=bpe --normalization_rule_name=nmt_nfkc"},
        Case{"bpe_symbols",
             "--model_type=bpe --byte_fallback --user_defined_symbols=<tag>,aa,\u2581\u2581 "
             "--add_dummy_prefix=false --normalization_rule_name=identity"},
        Case{"bpe_whole",
             "--model_type=bpe --split_by_whitespace=false --allow_whitespace_only_pieces "
             "--remove_extra_whitespaces=false --byte_fallback"},
        Case{"unigram", "--model_type=unigram"},
        Case{"unigram_fold",
             "--model_type=unigram --normalization_rule_name=nfkc_cf "
             "--bos_id=-1 --eos_id=1 --unk_id=2 --pad_id=0"},
        Case{"unigram_symbols",
             "--model_type=unigram --byte_fallback "
             "--user_defined_symbols=<tag>,aa,\u2581\u2581 "
             "--normalization_rule_name=identity --remove_extra_whitespaces=false"}),
    [](const auto& param) { return std::string(param.param.name); });

#else

TEST(SentencePieceTest, GivesTheIdsOfTheLibrary) {
  GTEST_SKIP() << "the SentencePiece library was not found when Quarry was configured";
}

#endif

}  // namespace
}  // namespace quarry
