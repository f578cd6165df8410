#include "text/unigram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "base/quoted.h"
#include "base/utf8.h"

namespace quarry::text {
namespace {

// An unknown character costs this much more than the least likely token.
constexpr double kUnkPenalty = 10;

}  // namespace

Result<std::unique_ptr<UnigramModel>> UnigramModel::Create(Vocabulary vocabulary,
                                                           std::vector<double> scores,
                                                           UnigramOptions options) {
  std::unique_ptr<UnigramModel> model(new UnigramModel);
  model->vocabulary_ = std::move(vocabulary);
  model->scores_ = std::move(scores);
  model->options_ = std::move(options);
  if (Status s = model->Index(); !s.ok()) return s;
  return model;
}

Status UnigramModel::Index() {
  const size_t n = vocabulary_.id_limit();
  if (scores_.size() != n) {
    return CorruptData(fmt::format("unigram model: {} scores for {} ids", scores_.size(), n));
  }
  if (options_.unk && !vocabulary_.Contains(*options_.unk)) {
    return CorruptData(fmt::format("unigram model: unk_id is {}, not a token", *options_.unk));
  }
  for (const TokenId id : options_.unreachable) unreachable_.Insert(id);
  for (const TokenId id : options_.user_defined) user_defined_.Insert(id);
  double least = INFINITY;
  // The SentencePiece library starts from the least positive float; scores are negative.
  max_score_ = static_cast<double>(std::numeric_limits<float>::min());
  for (size_t i = 0; i < n; ++i) {
    const auto id = static_cast<TokenId>(i);
    if (!vocabulary_.Contains(id)) continue;
    const std::string_view text = vocabulary_.Text(id);
    if (!std::isfinite(scores_[i])) {
      return CorruptData(fmt::format("unigram model: the score of token {} is not finite", i));
    }
    if (unreachable_.Contains(id)) continue;
    if (text.size() > kMaxTokenBytes) {
      return Unsupported(fmt::format("unigram model: token {} has {} bytes, at most {}", i,
                                     text.size(), kMaxTokenBytes));
    }
    if (!user_defined_.Contains(id)) {
      least = std::min(least, scores_[i]);
      max_score_ = std::max(max_score_, scores_[i]);
    }
    if (!text.empty()) trie_.Insert(text, id, /*replace=*/true);
  }
  unk_score_ = least - kUnkPenalty;
  if (options_.single_precision) {
    unk_score_ = static_cast<float>(least) - static_cast<float>(kUnkPenalty);
  }
  for (size_t b = 0; b < byte_ids_.size(); ++b) {
    byte_ids_[b] = vocabulary_.Find(fmt::format("<0x{:02X}>", b));
  }
  return OkStatus();
}

class UnigramEncoder final : public PieceEncoder {
 public:
  UnigramEncoder(const UnigramModel& model, const TokenSet* forbidden)
      : model_(model), forbidden_(forbidden) {}

  Status Encode(std::string_view piece, std::vector<TokenId>& out) override {
    if (Status s = FindBestPaths(piece); !s.ok()) return s;
    // Walk back from the end; runs of unknown characters join.
    path_.clear();
    const TokenId unk = model_.options_.unk.value_or(Vocabulary::kNone);
    for (size_t end = piece.size(); end > 0; end = best_[end].begin) {
      const Step step{best_[end].begin, end, best_[end].id};
      if (step.id == unk && !path_.empty() && path_.back().id == unk) {
        path_.back().begin = step.begin;
      } else {
        path_.push_back(step);
      }
    }
    for (size_t i = path_.size(); i-- > 0;) {
      const Step& step = path_[i];
      if (step.id != unk) {
        out.push_back(step.id);
      } else if (Status s = PushUnknown(piece.substr(step.begin, step.end - step.begin), out);
                 !s.ok()) {
        return s;
      }
    }
    return OkStatus();
  }

 private:
  struct Best {  // the best way to end at a position
    double score = 0;
    size_t begin = kUnreached;  // where its last token begins
    TokenId id = 0;
  };
  struct Step {
    size_t begin, end;
    TokenId id;
  };
  static constexpr size_t kUnreached = SIZE_MAX;

  double ScoreOf(TokenId id, size_t length) const {
    if (!model_.user_defined_.Contains(id)) return model_.scores_[static_cast<size_t>(id)];
    // More than any sequence of other tokens for the same text.
    return static_cast<double>(length) * model_.max_score_ - 0.1;
  }

  // In single precision totals are kept as float32 but compared before they are rounded, so that
  // ties fall as in the SentencePiece library.
  void Offer(size_t begin, size_t end, TokenId id, double score) {
    const double total = best_[begin].score + score;
    Best& best = best_[end];
    if (best.begin != kUnreached && !(total > best.score)) return;
    best = {model_.options_.single_precision ? static_cast<float>(total) : total, begin, id};
  }

  void OfferUnknown(size_t begin, size_t end) {
    double score = model_.unk_score_;
    if (model_.options_.single_precision) {
      // This sum the library rounds before it compares.
      const float total = static_cast<float>(best_[begin].score) + static_cast<float>(score);
      score = static_cast<double>(total) - best_[begin].score;
    }
    Offer(begin, end, *model_.options_.unk, score);
  }

  Status FindBestPaths(std::string_view piece) {
    best_.assign(piece.size() + 1, Best{});
    for (size_t begin = 0; begin < piece.size();) {
      const auto one = static_cast<size_t>(DecodeUtf8(piece, begin).length);
      bool has_one = false;
      model_.trie_.Prefixes(piece.substr(begin), [&](size_t length, int32_t id) {
        if (forbidden_ != nullptr && forbidden_->Contains(id)) return;
        Offer(begin, begin + length, id, ScoreOf(id, length));
        has_one |= length == one;
      });
      if (!has_one) {
        if (!model_.options_.unk) {
          return InvalidArgument(fmt::format(
              "the text holds {}, which has no token, and the tokenizer has no unknown token",
              Quoted(piece.substr(begin, one))));
        }
        OfferUnknown(begin, begin + one);
      }
      begin += one;
    }
    return OkStatus();
  }

  // A run of unknown characters, which may be a token as a whole.
  Status PushUnknown(std::string_view text, std::vector<TokenId>& out) {
    const TokenId whole = model_.vocabulary_.Find(text);
    if (whole >= 0 && !model_.unreachable_.Contains(whole) &&
        (forbidden_ == nullptr || !forbidden_->Contains(whole))) {
      out.push_back(whole);
      return OkStatus();
    }
    const auto byte_id = [&](char b) { return model_.byte_ids_[static_cast<unsigned char>(b)]; };
    if (model_.options_.byte_fallback &&
        std::all_of(text.begin(), text.end(), [&](char b) { return byte_id(b) >= 0; })) {
      for (const char b : text) out.push_back(byte_id(b));
    } else {
      out.push_back(*model_.options_.unk);
    }
    return OkStatus();
  }

  const UnigramModel& model_;
  const TokenSet* forbidden_;
  std::vector<Best> best_;  // by byte offset
  std::vector<Step> path_;
};

std::unique_ptr<PieceEncoder> UnigramModel::NewEncoder(const TokenSet* forbidden) const {
  return std::make_unique<UnigramEncoder>(*this, forbidden);
}

}  // namespace quarry::text
