// Selections of prefill methods in float64, one loop a formula, written from the papers and the
// descriptions of the authors' code. Queries and keys are rotated already. One head at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace quarry::reference {

// visible[i][j]: the query at position begin + i sees key j.
using Visible = std::vector<std::vector<uint8_t>>;

// Rows of one head: queries of positions [begin, begin + q.size()), keys [0, k.size()).
struct HeadRows {
  std::vector<std::vector<double>> q, k;
  int64_t begin = 0;
  int64_t window = 0;  // keys that a query sees, itself included; 0: all

  int64_t FirstKey(int64_t position) const {
    return window == 0 || position < window ? 0 : position - window + 1;
  }
};

Visible DenseVisible(const HeadRows& h);
Visible AShapeVisible(const HeadRows& h, int64_t n_init, int64_t n_local);

// Of the last `rows` queries: probability summed by key, and by distance.
struct Mass {
  std::vector<double> column, distance;
};
Mass LineMass(const HeadRows& h, int64_t rows);

struct VerticalSlash {
  std::vector<int64_t> columns, distances;
  Visible visible;
};
VerticalSlash SelectVerticalSlash(const HeadRows& h, int64_t vertical_size, int64_t slash_size);

Visible BlockSparseVisible(const HeadRows& h, int64_t top_k);

struct FlexOptions {
  double gamma = 0.9, tau = 0.1;
  int64_t min_budget = 1;
  std::optional<int64_t> max_budget;
  int64_t block = 64;
};
struct Flex {
  bool query_aware = false;
  Visible visible;  // by the rule of the authors' code
};
Flex SelectFlex(const HeadRows& h, const FlexOptions& o);

// Softmax attention of every query over the keys it sees; [queries][dim of v].
std::vector<std::vector<double>> Attend(const HeadRows& h,
                                        const std::vector<std::vector<double>>& v,
                                        const Visible& visible);

}  // namespace quarry::reference
