#include "tests/support/infllm_runs.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace quarry {
namespace {

CachePolicy PolicyOf(reference::Eviction e) {
  switch (e) {
    case reference::Eviction::kLru:
      return CachePolicy::kLru;
    case reference::Eviction::kLruS:
      return CachePolicy::kLruS;
    case reference::Eviction::kFifo:
      return CachePolicy::kFifo;
  }
  return CachePolicy::kLru;
}

}  // namespace

reference::InfLlmOptions RandomOptions(Rng& rng, int tokens) {
  const auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(high - low + 1)));
  };
  reference::InfLlmOptions o;
  o.I = between(0, 9);
  o.L = between(3, 36);
  o.B = between(1, 9);
  o.K = between(1, 5);
  o.R = between(1, std::min<int64_t>(o.B, 4));
  o.X = between(1, o.L);
  o.strict_mask = rng.Below(2) == 0;
  o.per_head = rng.Below(4) == 0;
  o.eviction = static_cast<reference::Eviction>(rng.Below(3));
  o.decay = 0.1 + 0.8 * rng.Uniform();
  o.cache_blocks = o.K + between(0, 4);
  if (rng.Below(3) == 0) {
    o.question_begin = between(0, tokens / 2);
    o.question_end = o.question_begin + between(1, 12);
    o.question_weight = 0.25 * static_cast<double>(between(1, 16));
    o.strict_question = rng.Below(2) == 0;
  } else if (rng.Below(3) == 0) {
    o.chunk_topk = o.X + between(0, 3 * o.X);
  }
  return o;
}

std::string Describe(const reference::InfLlmOptions& o) {
  return fmt::format(
      "I {} L {} B {} K {} R {} X {} {}{} chunk {} cache {}/{} question [{}, {}) x {}{}", o.I, o.L,
      o.B, o.K, o.R, o.X, o.strict_mask ? "strict" : "reference", o.per_head ? " perhead" : "",
      o.chunk_topk, static_cast<int>(o.eviction), o.cache_blocks, o.question_begin, o.question_end,
      o.question_weight, o.strict_question ? " strict" : "");
}

int64_t MostKeys(const reference::InfLlmOptions& o) { return o.L + o.I + o.K * o.B + o.X + o.B; }

AttentionConfig ToConfig(const reference::InfLlmOptions& o) {
  QLlmConfig c;
  c.n_init = o.I;
  c.n_local = o.L;
  c.block_size = o.B;
  c.topk = o.K;
  c.repr_topk = o.R;
  c.exc_block_size = o.X;
  c.max_cached_block = o.cache_blocks;
  c.cache_strategy = PolicyOf(o.eviction);
  if (o.eviction == reference::Eviction::kLruS) c.score_decay = o.decay;
  if (o.chunk_topk > 0) c.chunk_topk_calc = o.chunk_topk;
  c.perhead = o.per_head;
  c.mask = o.strict_mask ? WindowMask::kStrict : WindowMask::kReference;
  if (o.question_begin >= o.question_end) return static_cast<const InfLlmConfig&>(c);
  c.question_weight = o.question_weight;
  c.question_mode = o.strict_question ? QuestionMode::kStrict : QuestionMode::kReference;
  return c;
}

RequestHints HintsOf(const reference::InfLlmOptions& o) {
  return {{o.question_begin, o.question_end}};
}

void InfLlmRecorder::OnStep(const InfLlmStep& s) {
  Step step = {s.begin, s.end, s.sinks_before, s.blocks_before, s.candidates,       s.tail, {}, {},
               {},      {},    s.sinks_after,  s.blocks_after,  s.tail_start_after, {},     {}};
  step.selected.assign(s.selected.begin(), s.selected.end());
  step.evicted.assign(s.evicted.begin(), s.evicted.end());
  step.scores.assign(s.block_scores.begin(), s.block_scores.end());
  for (const BlockCache& c : s.caches) {
    step.caches.emplace_back(c.entries().begin(), c.entries().end());
  }
  if (s.question != nullptr) {
    step.question.assign(s.question->vector().begin(), s.question->vector().end());
    step.question_tokens = s.question->trace().query_tokens;
  }
  steps.push_back(std::move(step));
}

void InfLlmRecorder::OnBlock(const InfLlmBlock& b) {
  blocks.push_back({b.tokens,
                    {b.repr_tokens.begin(), b.repr_tokens.end()},
                    {b.local_scores.begin(), b.local_scores.end()},
                    {b.representative.begin(), b.representative.end()}});
}

FollowEngine::FollowEngine(const InfLlmRecorder& engine, const LayerInputs& in, int64_t repr_topk,
                           const AttentionBounds& bounds, DType dtype)
    : engine_(engine), shape_(in.shape), repr_topk_(repr_topk), bounds_(bounds), dtype_(dtype) {}

std::vector<int64_t> FollowEngine::EnginesChoice(const reference::Choice& c) const {
  std::vector<int64_t> got;
  const auto index = static_cast<size_t>(c.index), unit = static_cast<size_t>(c.unit);
  const auto take = [&](const std::vector<TokenPos>& tokens, int64_t n, TokenPos first) {
    for (size_t i = unit * static_cast<size_t>(n); i < (unit + 1) * static_cast<size_t>(n); ++i) {
      if (i < tokens.size()) got.push_back(tokens[i] - first);
    }
  };
  switch (c.of) {
    case reference::Choice::Of::kBlocks:
      if (index < engine_.steps.size()) got = engine_.steps[index].selected[unit];
      break;
    case reference::Choice::Of::kRepresentatives:
      if (index < engine_.blocks.size()) {
        take(engine_.blocks[index].repr_tokens, repr_topk_, engine_.blocks[index].tokens.begin);
      }
      break;
    case reference::Choice::Of::kQuestion:
      for (const auto& step : engine_.steps) {
        if (step.question.empty()) continue;
        take(step.question_tokens, c.k, c.index);
        break;
      }
      break;
  }
  return got;
}

// A relevance is a sum of heads * dim products of a mean of `rows` queries (rounded as often, and
// rotated: 5u) with a mean of R stored keys, plus the same for the question; n terms in any order
// are off by n u of the sum of their magnitudes.
double FollowEngine::RelevanceError(int64_t rows) const {
  const auto terms =
      static_cast<double>(int64_t{shape_.heads} * shape_.head_dim + rows + repr_topk_ + 16);
  return terms * kUnitF32 + StorageError(dtype_);
}

// A sum of one probability for every query of a window; the windows of these tests are short.
double FollowEngine::LocalScoreError() const { return bounds_.probability + 4096 * kUnitF32; }

std::vector<int64_t> FollowEngine::Choose(const reference::Choice& c) {
  const std::vector<int64_t> best = reference::Best(c.scores, c.k);
  ++compared_;
  std::vector<int64_t> want = best;
  std::sort(want.begin(), want.end());
  const std::vector<int64_t> got = EnginesChoice(c);
  if (got == want) return best;

  const auto describe = [&](const char* why) {
    errors_.push_back(fmt::format("{} {} unit {}: {}; got [{}] want [{}]",
                                  c.of == reference::Choice::Of::kBlocks            ? "exec block"
                                  : c.of == reference::Choice::Of::kRepresentatives ? "block"
                                                                                    : "question",
                                  c.index, c.unit, why, fmt::join(got, " "), fmt::join(want, " ")));
    return best;
  };
  const auto in_range = [&](int64_t i) {
    return i >= 0 && i < static_cast<int64_t>(c.scores.size());
  };
  if (got.size() != want.size()) return describe("another number of candidates");
  if (!std::all_of(got.begin(), got.end(), in_range)) return describe("no candidate");
  double relative = LocalScoreError();
  if (c.of == reference::Choice::Of::kBlocks) {
    const auto& step = engine_.steps[static_cast<size_t>(c.index)];
    relative = RelevanceError(step.end - step.begin);
  }
  double worst_taken = std::numeric_limits<double>::infinity(), best_left = -worst_taken;
  for (size_t i = 0; i < c.scores.size(); ++i) {
    const double error = relative * c.size[i];
    if (std::find(got.begin(), got.end(), static_cast<int64_t>(i)) != got.end()) {
      worst_taken = std::min(worst_taken, c.scores[i] + error);
    } else {
      best_left = std::max(best_left, c.scores[i] - error);
    }
  }
  if (worst_taken < best_left) return describe("a better candidate was left");
  ++skipped_;
  std::vector<int64_t> followed = got;
  std::stable_sort(followed.begin(), followed.end(), [&](int64_t a, int64_t b) {
    return c.scores[static_cast<size_t>(a)] > c.scores[static_cast<size_t>(b)];
  });
  return followed;
}

}  // namespace quarry
