// FlexPrefill's selection, worked by hand.

#include "attention/methods/flexprefill_select.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/dispatch.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

// Blocks as flat indices row * M + column.
std::vector<int64_t> Flat(const FlexHead& head, int64_t blocks) {
  std::vector<int64_t> flat;
  for (size_t row = 0; row + 1 < head.row_ptr.size(); ++row) {
    for (size_t i = head.row_ptr[row]; i < head.row_ptr[row + 1]; ++i) {
      flat.push_back(static_cast<int64_t>(row) * blocks + head.blocks[i]);
    }
  }
  return flat;
}

// M = 4 blocks of 16 keys, head dimension 8. Masses are spread evenly inside a block or offset.
struct Case {
  FlexPrefillConfig config;
  LineMass mass;
  std::vector<float> query_mean = std::vector<float>(8, 0.0f);
  std::vector<float> key_means = std::vector<float>(32, 0.0f);
  std::vector<float> block_queries = std::vector<float>(32, 0.0f);

  Case(const std::vector<float>& a_hat, const std::vector<float>& slash_by_offset) {
    config.block_size = 16;
    config.min_budget = 1;
    config.tau = 0;
    for (size_t c = 0; c < 4; ++c) {
      for (int i = 0; i < 16; ++i) {
        mass.column.push_back(a_hat[c]);  // of 16 queries
        mass.distance.push_back(slash_by_offset[c]);
      }
    }
  }
  FlexHead Select() const {
    return SelectFlexHead(config,
                          {.call = {0, 64},
                           .rows = 16,
                           .head_dim = 8,
                           .mass = &mass,
                           .query_mean = query_mean.data(),
                           .key_means = key_means.data(),
                           .block_queries = block_queries.data()},
                          kernels::ScalarKernels());
  }
  // a_bar of these shares: keys are unit vectors, the query their logarithms.
  void SetABar(const std::vector<double>& share) {
    for (size_t c = 0; c < 4; ++c) {
      key_means[c * 8 + c] = 1;
      query_mean[c] = static_cast<float>(std::log(share[c]) * std::sqrt(8.0));
    }
  }
};

TEST(FlexPrefillSelect, ColumnsAndDiagonals) {
  // 9 tokens of .42 / 16 and so on: any gamma asks for fewer than 128 tokens, one block each; the
  // floor of two blocks decides.
  Case c({.30f, .08f, .42f, .20f}, {.70f, .05f, .15f, .10f});
  c.config.min_budget = 17;
  const FlexHead head = c.Select();
  EXPECT_FALSE(head.query_aware);
  EXPECT_EQ(head.n_v, 2);
  EXPECT_EQ(head.n_s, 2);
  EXPECT_THAT(Flat(head, 4), ElementsAre(0, 4, 5, 8, 10, 12, 13, 14, 15));
  c.config.max_budget = 16;  // the cap wins
  EXPECT_THAT(Flat(c.Select(), 4), ElementsAre(0, 4, 5, 8, 10, 12, 15));
}

TEST(FlexPrefillSelect, Divergence) {
  Case near({.42f, .17f, .13f, .28f}, {1, 0, 0, 0});
  near.SetABar({.40, .20, .15, .25});
  near.config.tau = 0.1;
  EXPECT_NEAR(near.Select().js, 0.03890, 1e-5);
  EXPECT_TRUE(near.Select().query_aware);
  Case far({.70f, .05f, .05f, .20f}, {1, 0, 0, 0});
  far.SetABar({.40, .20, .15, .25});
  far.config.tau = 0.1;
  EXPECT_NEAR(far.Select().js, 0.24348, 1e-5);
  EXPECT_FALSE(far.Select().query_aware);
}

// A share of exactly 0: the authors' divergence is NaN, and NaN is below no threshold.
TEST(FlexPrefillSelect, NaNIsVerticalSlash) {
  Case c({.5f, 0, .3f, .2f}, {1, 0, 0, 0});
  c.SetABar({.5, .0001, .3, .2});
  c.config.tau = 1;
  EXPECT_TRUE(std::isnan(c.Select().js));
  EXPECT_FALSE(c.Select().query_aware);
  c.config.selection = FlexSelectionRule::kCoverage;
  EXPECT_TRUE(c.Select().query_aware);
}

Case QueryAware() {
  Case c({.40f, .20f, .15f, .25f}, {1, 0, 0, 0});
  c.SetABar({.40, .20, .15, .25});
  c.config.tau = 1;
  const std::vector<std::vector<double>> rows = {
      {0, 0, 0, 0}, {1, 0, 0, 0}, {2, -1, .5, 0}, {1.5, 0, -.5, 1}};
  for (size_t r = 0; r < 4; ++r) {
    for (size_t i = 0; i < 4; ++i) {
      c.block_queries[r * 8 + i] = static_cast<float>(rows[r][i] * std::sqrt(8.0));
    }
  }
  return c;
}

TEST(FlexPrefillSelect, PooledMapIsCutGlobally) {
  Case c = QueryAware();
  c.config.gamma = 0.9;
  EXPECT_THAT(Flat(c.Select(), 4), ElementsAre(0, 4, 5, 8, 10, 12, 15));
  // 3.892 with block (3, 1) = 13; (3, 2) = 14 would make it 3.961, above 3.96.
  c.config.gamma = 0.99;
  EXPECT_THAT(Flat(c.Select(), 4), ElementsAre(0, 4, 5, 8, 10, 12, 13, 15));
  c.config.gamma = 1;
  EXPECT_THAT(Flat(c.Select(), 4), ElementsAre(0, 4, 5, 8, 9, 10, 12, 13, 14, 15));
}

TEST(FlexPrefillSelect, CoverageCutsEveryRow) {
  Case c = QueryAware();
  c.config.selection = FlexSelectionRule::kCoverage;
  // Row 3: .50891 + .30867 + .11355 = .931 reaches .9 with columns 0, 3, 1.
  c.config.gamma = 0.9;
  EXPECT_THAT(Flat(c.Select(), 4), ElementsAre(0, 4, 5, 8, 10, 12, 13, 15));
}

TEST(FlexPrefillSelect, CoverageCountsBlocks) {
  Case c({.30f, .08f, .42f, .20f}, {.70f, .05f, .15f, .10f});
  c.config.selection = FlexSelectionRule::kCoverage;
  c.config.gamma = 0.9;
  EXPECT_EQ(c.Select().n_v, 3);  // .30 + .42 + .20
  EXPECT_EQ(c.Select().n_s, 3);  // .70 + .15 + .10
  c.config.gamma = 0.3;
  EXPECT_EQ(c.Select().n_v, 1);
}

// Ten keys in blocks of four: offset 0 holds the distances that the last block's tokens have among
// themselves.
TEST(FlexPrefillSelect, APartialLastBlockShiftsDistances) {
  LineMass mass;
  for (int i = 0; i < 40; ++i) {
    mass.column.push_back(1.0f);
    mass.distance.push_back(static_cast<float>(i));
  }
  FlexPrefillConfig config;
  config.block_size = 16;
  config.min_budget = 1;
  const std::vector<float> zeros(64, 0.0f);
  const FlexHead head = SelectFlexHead(config,
                                       {.call = {0, 40},
                                        .rows = 1,
                                        .head_dim = 8,
                                        .mass = &mass,
                                        .query_mean = zeros.data(),
                                        .key_means = zeros.data(),
                                        .block_queries = zeros.data()},
                                       kernels::ScalarKernels());
  EXPECT_THAT(head.a_hat, ElementsAre(16, 16, 8));
  EXPECT_THAT(head.slash, ElementsAre(FloatNear(28, 0), FloatNear(248, 0), FloatNear(504, 0)));
}

}  // namespace
}  // namespace quarry
