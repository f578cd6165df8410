// The executor carries out any plan: random ones against float64, however rows, heads and keys are
// cut into segments, pieces and tiles.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/plan_runs.h"

namespace quarry {
namespace {

void ExpectNear(const std::vector<float>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), want[i], bound) << "element " << i;
  }
}

class ExecutePropertyTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  const kernels::KernelTable& kernels() const { return *GetParam(); }
};

// Few rows and many, single row tiles and several, in all types; probabilities too.
TEST_P(ExecutePropertyTest, RandomPlansMatchFloat64) {
  for (uint64_t seed = 0; seed < 45; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed / 3 % 4);
    const ModelShape shape = RandomShape(rng);
    const int rows =
        seed % 5 == 0 ? 65 + static_cast<int>(rng.Below(80)) : 1 + static_cast<int>(rng.Below(40));
    const int tokens = rows + static_cast<int>(rng.Below(200));
    const auto first = static_cast<TokenPos>(rng.Below(static_cast<uint64_t>(tokens - rows + 1)));
    const RotationSpec rotation = {.rotated = seed % 2 == 0 ? 0 : shape.head_dim / 4 * 2,
                                   .magnitude = seed % 4 < 2 ? 1.0 : 1.2};
    PlanRunner runner(RandomInputs(rng, shape, tokens), dtype, kernels(), 2, rotation);
    const AttentionPlan plan = RandomPlan(rng, shape, first, rows, tokens);
    SCOPED_TRACE(fmt::format("seed {}: {}, rows {} at {} of {}, rotated {} magnitude {}", seed,
                             Describe(shape, dtype, kernels()), rows, first, tokens,
                             rotation.rotated, rotation.magnitude));
    const AttentionBounds bounds = runner.Bounds(MostKeys(plan, shape, first, rows));
    ExpectNear(runner.Run(plan, first, rows), runner.Expected(plan, first, rows), bounds.out);
    if (HasFatalFailure()) return;
    for (size_t s = 0; s < plan.segments().size(); ++s) {
      const Segment& segment = plan.segments()[s];
      if (!segment.want_scores) continue;
      for (int h = segment.heads.begin; h < segment.heads.end; ++h) {
        const auto got = runner.scores().Of(plan, s, h);
        const auto want = runner.ExpectedScores(plan, s, h, first, rows);
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < want.size(); ++i) {
          // A sum of `rows` probabilities.
          ASSERT_NEAR(static_cast<double>(got[i]), want[i],
                      (bounds.probability + rows * kUnitF32) * want[i] + 1e-30)
              << "segment " << s << " head " << h << " key " << i;
        }
      }
    }
  }
}

// Exact sums: all queries are zero, so that every weight is 1 and every value counts once.
LayerInputs CountingInputs(const ModelShape& shape, int tokens) {
  LayerInputs in;
  in.shape = shape;
  in.tokens = tokens;
  in.q.assign(static_cast<size_t>(tokens * in.q_width()), 0.0f);
  in.k.assign(static_cast<size_t>(tokens * in.kv_width()), 1.0f);
  for (int64_t i = 0; i < tokens * in.kv_width(); ++i) {
    // With a 127 in every 32 channels, int8 stores integers exactly.
    const bool largest = i % shape.head_dim % 32 == 0;
    in.v.push_back(largest ? 127.0f : static_cast<float>(i * 7 % 31 - 15));
  }
  return in;
}

// Sums of small integers are exact in f32, whatever the order, and so is the number of keys.
std::vector<float> ExactMeans(const LayerInputs& in, const AttentionPlan& plan, TokenPos first,
                              int rows) {
  std::vector<float> out;
  for (int r = 0; r < rows; ++r) {
    for (int h = 0; h < in.shape.heads; ++h) {
      std::vector<float> sum(static_cast<size_t>(in.shape.head_dim), 0.0f);
      float n = 0;
      const auto add = [&](TokenPos t) {
        n += 1;
        const float* v = in.v.data() + t * in.kv_width() + h / in.shape.group() * in.shape.head_dim;
        for (size_t c = 0; c < sum.size(); ++c) sum[c] += v[c];
      };
      for (const Segment& s : plan.segments()) {
        if (h < s.heads.begin || h >= s.heads.end || r < s.rows.begin || r >= s.rows.end) continue;
        for (const TokenRange& span : plan.spans(s)) {
          for (TokenPos t = span.begin; t < span.end; ++t) {
            const TokenPos p = first + r;
            if (t >= p - s.mask.before && t <= p - s.mask.after) add(t);
          }
        }
        for (TokenPos t : plan.columns(s)) add(t);
        plan.ForEachListPanel(s, [&](int64_t panel, uint32_t lanes) {
          const auto& list = plan.column_lists()[static_cast<size_t>(plan.column_list(s))];
          for (int64_t i = 0; i < kTokensPerPanel; ++i) {
            if (!(lanes >> i & 1u)) continue;
            add(plan.tokens(list)[static_cast<size_t>(panel * kTokensPerPanel + i)]);
          }
        });
      }
      const float inverse = n > 0 ? 1.0f / n : 0.0f;
      for (float s : sum) out.push_back(s * inverse);
    }
  }
  return out;
}

// Thousands of keys: few rows are cut into pieces of keys, in several segments, with columns.
TEST_P(ExecutePropertyTest, EveryKeyCountsOnce) {
  for (uint64_t seed = 0; seed < 24; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed / 3 % 4);
    const ModelShape shape = RandomShape(rng, 24);
    const int tokens = seed % 4 == 3 ? 200 : 2500 + static_cast<int>(rng.Below(3000));
    const int rows =
        seed % 2 == 0 ? 1 + static_cast<int>(rng.Below(16)) : 17 + static_cast<int>(rng.Below(60));
    const TokenPos first = tokens - rows - static_cast<TokenPos>(rng.Below(20));
    const LayerInputs in = CountingInputs(shape, tokens);
    PlanRunner runner(in, dtype, kernels(), 2);
    const AttentionPlan plan = RandomPlan(rng, shape, first, rows, tokens);
    SCOPED_TRACE(fmt::format("seed {}: {}, rows {} at {} of {}", seed,
                             Describe(shape, dtype, kernels()), rows, first, tokens));
    ASSERT_EQ(runner.Run(plan, first, rows), ExactMeans(in, plan, first, rows));
  }
}

// The keys of `keys` dealt out to segments: spans where they touch, or columns where `columns`.
void AddKeys(AttentionPlan& plan, const std::vector<TokenPos>& keys, bool columns) {
  for (TokenPos t : keys) {
    if (columns) {
      plan.AddColumn(t);
    } else {
      plan.AddSpan({t, t + 1});
    }
  }
}

TEST_P(ExecutePropertyTest, AnySplitOfTheKeysIsOneSegment) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed / 3 % 4);
    const ModelShape shape = RandomShape(rng);
    const int rows = 1 + static_cast<int>(rng.Below(seed % 2 == 0 ? 16 : 70));
    const int tokens = rows + 100 + static_cast<int>(rng.Below(100));
    const TokenPos first = tokens - rows;
    std::vector<TokenPos> keys;
    for (TokenPos t = 0; t < first; ++t) {
      if (rng.Below(4) != 0) keys.push_back(t);
    }
    const Segment whole = {.heads = {0, shape.heads},
                           .rows = {0, rows},
                           .mask = Mask::Causal(),
                           .position = PositionRule::Absolute()};
    AttentionPlan one, columns, many;
    one.Add(whole);
    AddKeys(one, keys, false);
    columns.Add(whole);
    AddKeys(columns, keys, true);
    // Rows and heads are cut as well; every piece deals its keys out anew.
    const int row_cut = static_cast<int>(rng.Below(static_cast<uint64_t>(rows) + 1));
    const int head_cut = static_cast<int>(rng.Below(static_cast<uint64_t>(shape.heads) + 1));
    for (const IndexRange& r : {IndexRange{0, row_cut}, IndexRange{row_cut, rows}}) {
      for (const IndexRange& h : {IndexRange{0, head_cut}, IndexRange{head_cut, shape.heads}}) {
        if (r.size() == 0 || h.size() == 0) continue;
        std::vector<std::vector<TokenPos>> parts(1 + rng.Below(5));
        for (TokenPos t : keys) parts[rng.Below(parts.size())].push_back(t);
        for (const auto& part : parts) {
          Segment s = whole;
          s.rows = r;
          s.heads = h;
          many.Add(s);
          AddKeys(many, part, rng.Below(3) == 0);
        }
      }
    }
    SCOPED_TRACE(fmt::format("seed {}: {}, rows {} of {}", seed, Describe(shape, dtype, kernels()),
                             rows, tokens));
    const LayerInputs in = RandomInputs(rng, shape, tokens);
    PlanRunner runner(in, dtype, kernels(), 2);
    const std::vector<float> want = runner.Run(one, first, rows);
    const double bound = 2 * runner.Bounds(static_cast<int64_t>(keys.size())).out;
    const std::vector<double> wide(want.begin(), want.end());
    ExpectNear(runner.Run(many, first, rows), wide, bound);
    ExpectNear(runner.Run(columns, first, rows), wide, bound);
    if (HasFatalFailure()) return;

    const LayerInputs counting = CountingInputs(shape, tokens);
    PlanRunner counter(counting, dtype, kernels(), 2);
    const std::vector<float> exact = ExactMeans(counting, one, first, rows);
    ASSERT_EQ(counter.Run(one, first, rows), exact);
    ASSERT_EQ(counter.Run(many, first, rows), exact);
    ASSERT_EQ(counter.Run(columns, first, rows), exact);
  }
}

// Up to 16 rows take the path that cuts keys between threads; the same rows within a longer call
// take the other.
TEST_P(ExecutePropertyTest, FewRowsAgreeWithMany) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed / 3 % 4);
    const ModelShape shape = RandomShape(rng, 40);
    const int tokens = seed % 3 == 0 ? 2600 : 300;
    const int rows = 48;
    const TokenPos first = tokens - rows;
    PlanRunner runner(RandomInputs(rng, shape, tokens), dtype, kernels(), 2);
    const auto plan_for = [&](TokenPos begin, int n) {
      AttentionPlan plan;
      plan.Add({.heads = {0, shape.heads},
                .rows = {0, n},
                .mask = Mask::Band(100),
                .position = PositionRule::Absolute(),
                .want_scores = true});
      plan.AddSpan({0, begin + n});
      plan.Add({.heads = {0, shape.heads},
                .rows = {0, n},
                .mask = Mask::Beyond(100),
                .position = PositionRule::Capped(99)});
      plan.AddSpan({0, begin + n});
      return plan;
    };
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, Describe(shape, dtype, kernels())));
    const AttentionPlan all = plan_for(first, rows);
    const std::vector<float> want = runner.Run(all, first, rows);
    std::vector<double> total(static_cast<size_t>(tokens), 0.0);
    const auto total_span = runner.scores().Of(all, 0, 0);
    const std::vector<double> want_scores(total_span.begin(), total_span.end());
    const AttentionBounds bounds = runner.Bounds(tokens);
    const int width = shape.heads * shape.head_dim;
    for (int row = 0; row < rows; row += 16) {
      const AttentionPlan part = plan_for(first + row, 16);
      const std::vector<double> expected(want.begin() + row * width,
                                         want.begin() + (row + 16) * width);
      ExpectNear(runner.Run(part, first + row, 16), expected, 2 * bounds.out);
      if (HasFatalFailure()) return;
      const auto scores = runner.scores().Of(part, 0, 0);
      for (size_t t = 0; t < scores.size(); ++t) total[t] += static_cast<double>(scores[t]);
    }
    for (size_t t = 0; t < total.size(); ++t) {
      ASSERT_NEAR(total[t], want_scores[t],
                  2 * (bounds.probability + rows * kUnitF32) * want_scores[t] + 1e-30);
    }
  }
}

TEST_P(ExecutePropertyTest, ThreadsDoNotChangeABit) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Rng rng(seed);
    const DType dtype = static_cast<DType>(seed / 3 % 4);
    const ModelShape shape = RandomShape(rng, 40);
    const int tokens = seed % 2 == 0 ? 3000 : 400;
    const int rows = seed % 2 == 0 ? 1 + static_cast<int>(rng.Below(16)) : 150;
    const TokenPos first = tokens - rows;
    const LayerInputs in = RandomInputs(rng, shape, tokens);
    const AttentionPlan plan = RandomPlan(rng, shape, first, rows, tokens);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, Describe(shape, dtype, kernels())));
    PlanRunner one(in, dtype, kernels(), 1);
    const std::vector<float> want = one.Run(plan, first, rows);
    for (int threads : {2, 3, 5}) {
      PlanRunner runner(in, dtype, kernels(), threads);
      ASSERT_EQ(runner.Run(plan, first, rows), want) << threads << " threads";
      for (size_t s = 0; s < plan.segments().size(); ++s) {
        const Segment& segment = plan.segments()[s];
        if (!segment.want_scores) continue;
        for (int h = segment.heads.begin; h < segment.heads.end; ++h) {
          const auto a = one.scores().Of(plan, s, h), b = runner.scores().Of(plan, s, h);
          ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()))
              << threads << " threads, segment " << s << " head " << h;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, ExecutePropertyTest,
                         testing::ValuesIn(kernels::SupportedKernels().begin(),
                                           kernels::SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

}  // namespace
}  // namespace quarry
