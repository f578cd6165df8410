// Methods that are sparse in prefill: the keys of every query and the outputs against float64,
// however the prompt is cut into calls, and the laws that relate one parameter to another.

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "attention/methods/flexprefill.h"
#include "attention/methods/minference.h"
#include "tests/reference/prefill_selection.h"
#include "tests/support/layer_inputs.h"
#include "tests/support/prefill_runs.h"

namespace quarry {
namespace {

using reference::HeadRows;
using reference::Visible;

// Queries and keys are rotated already: every angle is 0.
constexpr double kBase = 10000, kNoRotation = 0;

constexpr ModelShape kShapes[] = {{1, 2, 2, 32}, {1, 4, 2, 40},  {1, 4, 1, 64},  {1, 6, 2, 80},
                                  {1, 2, 1, 96}, {1, 1, 1, 136}, {1, 3, 3, 128}, {1, 2, 1, 256}};

struct Prompt {
  Prompt(uint64_t seed, const kernels::KernelTable& set, int least, int most)
      : rng(seed), dtype(static_cast<DType>(seed % 3)), kernels(set) {
    inputs = RandomInputs(rng, kShapes[seed % std::size(kShapes)],
                          least + static_cast<int>(rng.Below(static_cast<uint64_t>(most - least))));
    // Two calls or three; the first may end anywhere.
    int left = inputs.tokens;
    while (left > 0) {
      const int n =
          std::min(left, 1 + static_cast<int>(rng.Below(static_cast<uint64_t>(inputs.tokens))));
      calls.push_back(n);
      left -= n;
    }
    name = fmt::format("seed {}: {}, {} tokens in {} calls", seed,
                       Describe(inputs.shape, dtype, set), inputs.tokens, calls.size());
  }

  // Some models slide.
  void GiveWindow(uint64_t seed) {
    if (seed % 3 == 2) inputs.shape.windows = {20 + static_cast<int64_t>(rng.Below(200))};
  }

  OneLayer Layer(const AttentionConfig& config, int threads = 2) const {
    EXPECT_TRUE(Validate(config).ok()) << Validate(config).message();
    return OneLayer(config, inputs.shape, dtype, kBase, kNoRotation, &kernels, threads);
  }
  std::vector<float> Run(const AttentionConfig& config, const std::vector<int>& cut,
                         RequestHints hints = {}, int threads = 2) const {
    OneLayer layer = Layer(config, threads);
    return Feed(layer, inputs, cut, hints);
  }
  double Bound() const { return BoundsOf(inputs, dtype, kernels, inputs.tokens).out; }

  HeadRows Head(int head, int64_t begin, int64_t end) const {
    HeadRows h;
    h.begin = begin;
    h.window = inputs.shape.window(0);
    h.q = Vectors(inputs.q, inputs.shape.heads, head, begin, end);
    h.k = Vectors(inputs.k, inputs.shape.kv_heads, head / inputs.shape.group(), 0, end);
    return h;
  }
  std::vector<std::vector<double>> Values(int head, int64_t end) const {
    return Vectors(inputs.v, inputs.shape.kv_heads, head / inputs.shape.group(), 0, end);
  }

  Rng rng;
  DType dtype;
  const kernels::KernelTable& kernels;
  LayerInputs inputs;
  std::vector<int> calls;
  std::string name;

 private:
  std::vector<std::vector<double>> Vectors(const std::vector<float>& x, int heads, int head,
                                           int64_t begin, int64_t end) const {
    std::vector<std::vector<double>> rows;
    const int dim = inputs.shape.head_dim;
    for (int64_t t = begin; t < end; ++t) {
      const auto at = x.begin() + (t * heads + head) * dim;
      rows.emplace_back(at, at + dim);
    }
    return rows;
  }
};

void ExpectSortedAndCausal(const AttentionPlan& plan, TokenPos first, int rows, int heads) {
  for (const Segment& s : plan.segments()) {
    TokenPos last = -1;
    for (const TokenRange& span : plan.spans(s)) {
      ASSERT_FALSE(span.empty());
      ASSERT_GT(span.begin, last);
      last = span.end;
    }
    ASSERT_LE(last, first + rows);
  }
  for (int h = 0; h < heads; ++h) {
    for (int r = 0; r < rows; ++r) {
      const std::vector<TokenPos> keys = VisibleKeys(plan, first, r, h);
      const std::set<TokenPos> unique(keys.begin(), keys.end());
      ASSERT_EQ(unique.size(), keys.size()) << "a key twice, head " << h << " row " << r;
      ASSERT_FALSE(keys.empty());
      ASSERT_LE(*unique.rbegin(), first + r);
    }
  }
}

// expected(head rows, head): what the head's queries should see, for one call.
template <typename F>
void ExpectSelection(const Prompt& p, const AttentionConfig& config, F expected,
                     RequestHints hints = {}) {
  OneLayer layer = p.Layer(config);
  const double bound = p.Bound();
  for (int n : p.calls) {
    const TokenPos first = layer.kv().size();
    const std::vector<float> out = Feed(layer, p.inputs, std::vector<int>{n}, hints);
    const AttentionPlan& plan = layer.last_plan();
    ExpectSortedAndCausal(plan, first, n, p.inputs.shape.heads);
    if (testing::Test::HasFatalFailure()) return;
    for (int h = 0; h < p.inputs.shape.heads; ++h) {
      SCOPED_TRACE(fmt::format("call [{}, {}) head {}", first, first + n, h));
      const HeadRows rows = p.Head(h, first, first + n);
      const Visible visible = expected(rows, h);
      for (int r = 0; r < n; ++r) {
        std::vector<uint8_t> got(rows.k.size(), 0);
        for (TokenPos t : VisibleKeys(plan, first, r, h)) got[static_cast<size_t>(t)] = 1;
        ASSERT_EQ(got, visible[static_cast<size_t>(r)]) << "query " << first + r;
      }
      const auto want = reference::Attend(rows, p.Values(h, first + n), visible);
      const int dim = p.inputs.shape.head_dim;
      for (int r = 0; r < n; ++r) {
        for (int c = 0; c < dim; ++c) {
          const auto at = static_cast<size_t>((r * p.inputs.shape.heads + h) * dim + c);
          ASSERT_NEAR(static_cast<double>(out[at]),
                      want[static_cast<size_t>(r)][static_cast<size_t>(c)], bound)
              << "query " << first + r;
        }
      }
    }
  }
}

std::shared_ptr<const PatternTable> Table(const std::map<int, HeadPattern>& heads) {
  auto table = std::make_shared<PatternTable>();
  table->layers.push_back(heads);
  return table;
}

std::map<int, HeadPattern> RandomPatterns(Rng& rng, int heads) {
  std::map<int, HeadPattern> patterns;
  for (int h = 0; h < heads; ++h) {
    const auto type = static_cast<HeadPatternType>(rng.Below(3));
    patterns[h] = {type, static_cast<int64_t>(rng.Below(90)),
                   90 + static_cast<int64_t>(rng.Below(60)), 1, true};
  }
  return patterns;
}

class PrefillPropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {};

TEST_P(PrefillPropertyTest, MInferenceMatchesFloat64InEveryCall) {
  for (uint64_t seed = 0; seed < 16; ++seed) {
    Prompt p(seed, *GetParam(), 130, 420);
    p.GiveWindow(seed);
    SCOPED_TRACE(p.name);
    MInferenceConfig config;
    config.top_k = 1 + static_cast<int64_t>(p.rng.Below(5));
    const std::map<int, HeadPattern> patterns = RandomPatterns(p.rng, p.inputs.shape.heads);
    config.patterns = Table(patterns);
    ExpectSelection(p, config, [&](const HeadRows& rows, int h) {
      const HeadPattern& pattern = patterns.at(h);
      if (pattern.type == HeadPatternType::kAShape) {
        return AShapeVisible(rows, pattern.first, pattern.second);
      }
      // A call of no more rows than estimate is dense.
      if (rows.q.size() <= 64) return DenseVisible(rows);
      switch (pattern.type) {
        case HeadPatternType::kAShape:
        case HeadPatternType::kBlockSparse:
          return BlockSparseVisible(rows, config.top_k);
        case HeadPatternType::kVerticalSlash:
          break;
      }
      return SelectVerticalSlash(rows, pattern.first, pattern.second).visible;
    });
    if (HasFatalFailure()) return;
  }
}

// The first row block of a later call is a part of one: its window begins later than a whole one's.
TEST_P(PrefillPropertyTest, BlocksOfACallThatBeginsWithinABlock) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Prompt p(seed, *GetParam(), 300, 420);
    p.inputs.shape.windows = {100};
    p.calls = {168, p.inputs.tokens - 168};
    SCOPED_TRACE(p.name);
    MInferenceConfig config;
    config.top_k = 2;
    std::map<int, HeadPattern> heads;
    for (int h = 0; h < p.inputs.shape.heads; ++h) {
      heads[h] = {HeadPatternType::kBlockSparse, 0, 0, 1, true};
    }
    config.patterns = Table(heads);
    ExpectSelection(p, config, [&](const HeadRows& rows, int) {
      return BlockSparseVisible(rows, config.top_k);
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(PrefillPropertyTest, FlexPrefillMatchesFloat64InEveryCall) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    Prompt p(seed, *GetParam(), 130, 420);
    p.GiveWindow(seed);
    constexpr double kTaus[] = {0, 0.05, 0.1, 1};
    FlexPrefillConfig config;
    config.block_size = int64_t{16} << p.rng.Below(3);
    config.gamma = 0.3 + 0.65 * p.rng.Uniform();
    config.tau = kTaus[p.rng.Below(4)];
    config.min_budget = 1 + static_cast<int64_t>(p.rng.Below(70));
    if (p.rng.Below(2) == 0) config.max_budget = 1 + static_cast<int64_t>(p.rng.Below(120));
    config.selection = FlexSelectionRule::kReference;
    SCOPED_TRACE(fmt::format("{}, block {} gamma {} tau {}", p.name, config.block_size,
                             config.gamma, config.tau));
    ExpectSelection(p, config, [&](const HeadRows& rows, int) {
      const int64_t b = config.block_size;
      const auto keys = static_cast<int64_t>(rows.k.size());
      if (keys <= std::max(2 * b, (config.min_budget + b - 1) / b * b) ||
          static_cast<int64_t>(rows.q.size()) <= b) {
        return DenseVisible(rows);
      }
      return SelectFlex(rows, {config.gamma, config.tau, config.min_budget, config.max_budget, b})
          .visible;
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(PrefillPropertyTest, AShapeAndTriShapeMatchTheirDefinitionInEveryCall) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Prompt p(seed, *GetParam(), 60, 300);
    p.GiveWindow(seed);
    SCOPED_TRACE(p.name);
    TriShapeConfig config;
    config.n_init = static_cast<int64_t>(p.rng.Below(40));
    config.n_local = 1 + static_cast<int64_t>(p.rng.Below(80));
    config.n_last = static_cast<int64_t>(p.rng.Below(100));
    const AShapeConfig shape = config;
    ExpectSelection(p, shape, [&](const HeadRows& rows, int) {
      return AShapeVisible(rows, config.n_init, config.n_local);
    });
    if (HasFatalFailure()) return;
    // Dense rows are the prompt's last, whatever call they are in.
    const int64_t n = p.inputs.tokens;
    ExpectSelection(p, config,
                    [&](const HeadRows& rows, int) {
                      Visible v = AShapeVisible(rows, config.n_init, config.n_local);
                      const Visible dense = DenseVisible(rows);
                      for (size_t i = 0; i < v.size(); ++i) {
                        const int64_t at = rows.begin + static_cast<int64_t>(i);
                        if (at >= n - std::min(config.n_last, n - 1)) v[i] = dense[i];
                      }
                      return v;
                    },
                    {.question = {}, .prompt_end = n});
    if (HasFatalFailure()) return;
  }
}

TEST_P(PrefillPropertyTest, EverythingAllowedIsDense) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Prompt p(seed, *GetParam(), 130, 400);
    SCOPED_TRACE(p.name);
    const int64_t n = p.inputs.tokens;
    const std::vector<float> want = p.Run(DenseConfig{}, p.calls);
    const double bound = 2 * p.Bound();
    FlexPrefillConfig flex;
    flex.block_size = 32;
    flex.gamma = 1;
    flex.min_budget = 1;
    FlexPrefillConfig by_coverage = flex, by_query = flex;
    by_coverage.selection = FlexSelectionRule::kCoverage;
    by_query.tau = 1;
    MInferenceConfig lines, blocks, window;
    lines.patterns = Table({});  // the default sizes are beyond the prompt
    std::map<int, HeadPattern> all_blocks, all_window;
    for (int h = 0; h < p.inputs.shape.heads; ++h) {
      all_blocks[h] = {HeadPatternType::kBlockSparse, 0, 0, 1, true};
      all_window[h] = {HeadPatternType::kAShape, n / 2, n - n / 2, 1, true};
    }
    blocks.patterns = Table(all_blocks);
    window.patterns = Table(all_window);
    MInferenceConfig whole;  // automatic, nothing may be missed
    whole.coverage = 1;
    for (const AttentionConfig& config :
         std::initializer_list<AttentionConfig>{flex, by_coverage, by_query, lines, blocks, window,
                                                whole, AShapeConfig{}, TriShapeConfig{}}) {
      SCOPED_TRACE(MethodName(config));
      const std::vector<float> got = p.Run(config, p.calls);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << i;
    }
  }
}

class FlexRecorder : public FlexPrefillObserver {
 public:
  void OnSelection(const PlanInput&, std::span<const FlexHead> heads) override {
    calls.emplace_back(heads.begin(), heads.end());
  }
  std::vector<std::vector<FlexHead>> calls;
};

std::vector<std::vector<FlexHead>> FlexSelections(const Prompt& p, const FlexPrefillConfig& c) {
  OneLayer layer = p.Layer(c);
  FlexRecorder recorder;
  SetFlexPrefillObserver(layer.state(), &recorder);
  Feed(layer, p.inputs, p.calls);
  return recorder.calls;
}

TEST_P(PrefillPropertyTest, FlexPrefillGrowsWithGamma) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Prompt p(seed, *GetParam(), 200, 420);
    FlexPrefillConfig config;
    config.block_size = 16;
    config.min_budget = 1;
    config.tau = seed % 2 == 0 ? 0 : 1;
    config.selection = static_cast<FlexSelectionRule>(seed / 2 % 2);
    SCOPED_TRACE(p.name);
    std::vector<std::vector<FlexHead>> smaller;
    for (double gamma : {0.2, 0.5, 0.8, 0.95, 1.0}) {
      config.gamma = gamma;
      const auto larger = FlexSelections(p, config);
      for (size_t call = 0; call < smaller.size(); ++call) {
        for (size_t h = 0; h < smaller[call].size(); ++h) {
          const FlexHead &a = smaller[call][h], &b = larger[call][h];
          ASSERT_EQ(a.row_ptr.size(), b.row_ptr.size());
          for (size_t row = 0; row + 1 < a.row_ptr.size(); ++row) {
            ASSERT_TRUE(
                std::includes(b.blocks.begin() + static_cast<ptrdiff_t>(b.row_ptr[row]),
                              b.blocks.begin() + static_cast<ptrdiff_t>(b.row_ptr[row + 1]),
                              a.blocks.begin() + static_cast<ptrdiff_t>(a.row_ptr[row]),
                              a.blocks.begin() + static_cast<ptrdiff_t>(a.row_ptr[row + 1])))
                << "gamma " << gamma << " head " << h << " row block " << row;
          }
        }
      }
      smaller = larger;
    }
  }
}

// What kCoverage is for: the chosen block columns, and the chosen block diagonals, really have a
// share of gamma.
TEST_P(PrefillPropertyTest, CoverageReachesGamma) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Prompt p(seed, *GetParam(), 200, 420);
    FlexPrefillConfig config;
    config.block_size = 16;
    config.min_budget = 1;
    config.tau = 0;
    config.gamma = 0.5 + 0.4 * p.rng.Uniform();
    config.selection = FlexSelectionRule::kCoverage;
    SCOPED_TRACE(p.name);
    for (const auto& heads : FlexSelections(p, config)) {
      for (const FlexHead& head : heads) {
        // The first is forced, then the largest are taken; the last row block sees them all.
        const auto of_best = [](std::vector<float> share, int64_t n) {
          std::sort(share.begin() + 1, share.end(), std::greater<>());
          return std::accumulate(share.begin(), share.begin() + n, 0.0);
        };
        ASSERT_GE(of_best(head.a_hat, head.n_v), config.gamma - 1e-5);
        ASSERT_GE(of_best(head.slash, head.n_s), config.gamma - 1e-5);
        const size_t row = head.row_ptr.size() - 2;
        ASSERT_GE(static_cast<int64_t>(head.row_ptr[row + 1] - head.row_ptr[row]),
                  std::max(head.n_v, head.n_s));
      }
    }
  }
}

class LineRecorder : public MInferenceObserver {
 public:
  void OnSelection(const PlanInput&, std::span<const HeadSelection> heads) override {
    calls.emplace_back(heads.begin(), heads.end());
  }
  std::vector<std::vector<HeadSelection>> calls;
};

// Without a file: columns and nearest distances together keep what was asked for.
TEST_P(PrefillPropertyTest, AutomaticLinesReachTheirCoverage) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Prompt p(seed, *GetParam(), 300, 420);
    SCOPED_TRACE(p.name);
    MInferenceConfig config;
    config.coverage = 0.7 + 0.3 * p.rng.Uniform();
    OneLayer layer = p.Layer(config);
    LineRecorder recorder;
    SetMInferenceObserver(layer.state(), &recorder);
    TokenPos end = 0;
    size_t call = 0;
    for (int n : p.calls) {
      const TokenPos first = end;
      end += n;
      Feed(layer, p.inputs, std::vector<int>{n});
      if (n <= 64) continue;
      ASSERT_LT(call, recorder.calls.size());
      for (int h = 0; h < p.inputs.shape.heads; ++h) {
        const HeadRows rows = p.Head(h, first, end);
        double kept = 0;
        const double scale = 1 / std::sqrt(static_cast<double>(p.inputs.shape.head_dim));
        for (int r = n - 64; r < n; ++r) {
          std::vector<uint8_t> seen(rows.k.size(), 0);
          for (TokenPos t : VisibleKeys(layer.last_plan(), first, r, h)) {
            seen[static_cast<size_t>(t)] = 1;
          }
          double sum = 0, of_seen = 0;
          for (TokenPos t = 0; t <= first + r; ++t) {
            double s = 0;
            for (size_t c = 0; c < rows.k[0].size(); ++c) {
              s += rows.q[static_cast<size_t>(r)][c] * rows.k[static_cast<size_t>(t)][c];
            }
            const double w = std::exp(s * scale);
            sum += w;
            if (seen[static_cast<size_t>(t)] != 0) of_seen += w;
          }
          kept += of_seen / sum / 64;
        }
        ASSERT_GE(kept, config.coverage - 1e-4) << "head " << h;
      }
      ++call;
    }
  }
}

TEST_P(PrefillPropertyTest, ThreadsDoNotChangeABit) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Prompt p(seed, *GetParam(), 200, 420);
    SCOPED_TRACE(p.name);
    FlexPrefillConfig flex;
    flex.block_size = 32;
    flex.min_budget = 1;
    MInferenceConfig lines;
    lines.patterns = Table(RandomPatterns(p.rng, p.inputs.shape.heads));
    for (const AttentionConfig& config : std::initializer_list<AttentionConfig>{
             flex, lines, MInferenceConfig{}, TriShapeConfig{}}) {
      EXPECT_EQ(p.Run(config, p.calls, {}, 1), p.Run(config, p.calls, {}, 5)) << MethodName(config);
    }
  }
}

TEST_P(PrefillPropertyTest, TruncateAndForkGoBackExactly) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    Prompt p(seed, *GetParam(), 300, 420);
    SCOPED_TRACE(p.name);
    FlexPrefillConfig flex;
    flex.block_size = 16;
    flex.min_budget = 1;
    MInferenceConfig lines;
    lines.patterns = Table(RandomPatterns(p.rng, p.inputs.shape.heads));
    const std::vector<int> begin = {150}, rest = {p.inputs.tokens - 150};
    for (const AttentionConfig& config :
         std::initializer_list<AttentionConfig>{flex, lines, AShapeConfig{}}) {
      SCOPED_TRACE(MethodName(config));
      OneLayer layer = p.Layer(config);
      Feed(layer, p.inputs, begin);
      const auto fork = layer.Fork();
      const std::vector<float> want = Feed(layer, p.inputs, rest);
      EXPECT_EQ(Feed(*fork, p.inputs, rest), want);
      ASSERT_EQ(layer.Truncate(150), 150);
      EXPECT_EQ(Feed(layer, p.inputs, rest), want);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, PrefillPropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
