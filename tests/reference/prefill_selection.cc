#include "tests/reference/prefill_selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace quarry::reference {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::vector<double> Softmax(std::vector<double> s) {
  const double top = *std::max_element(s.begin(), s.end());
  double sum = 0;
  for (double& x : s) sum += x = std::exp(x - top);
  for (double& x : s) x /= sum;
  return s;
}

int64_t N(const HeadRows& h) { return static_cast<int64_t>(h.k.size()); }
int64_t Rows(const HeadRows& h) { return static_cast<int64_t>(h.q.size()); }

Visible None(const HeadRows& h) { return Visible(h.q.size(), std::vector<uint8_t>(h.k.size(), 0)); }

// Indices of the n largest; equal values: lower index first.
std::vector<int64_t> Largest(const std::vector<double>& x, int64_t n) {
  std::vector<int64_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)];
  });
  order.resize(std::min(order.size(), static_cast<size_t>(n)));
  return order;
}

// How many of the largest have a sum of at most `limit`.
int64_t Within(std::vector<double> x, double limit) {
  std::sort(x.begin(), x.end(), std::greater<>());
  double sum = 0;
  int64_t n = 0;
  for (double v : x) {
    sum += v;
    if (sum > limit) break;
    ++n;
  }
  return n;
}

std::vector<double> Mean(const std::vector<std::vector<double>>& rows, int64_t begin, int64_t end,
                         double count) {
  std::vector<double> mean(rows[0].size(), 0.0);
  for (int64_t i = begin; i < end; ++i) {
    for (size_t c = 0; c < mean.size(); ++c) mean[c] += rows[static_cast<size_t>(i)][c] / count;
  }
  return mean;
}

}  // namespace

Visible DenseVisible(const HeadRows& h) {
  Visible v = None(h);
  for (int64_t i = 0; i < Rows(h); ++i) {
    for (int64_t j = h.FirstKey(h.begin + i); j <= h.begin + i; ++j) {
      v[static_cast<size_t>(i)][static_cast<size_t>(j)] = 1;
    }
  }
  return v;
}

Visible AShapeVisible(const HeadRows& h, int64_t n_init, int64_t n_local) {
  Visible v = None(h);
  for (int64_t i = 0; i < Rows(h); ++i) {
    for (int64_t j = h.FirstKey(h.begin + i); j <= h.begin + i; ++j) {
      v[static_cast<size_t>(i)][static_cast<size_t>(j)] =
          h.begin + i - j < n_local || j < n_init ? 1 : 0;
    }
  }
  return v;
}

Mass LineMass(const HeadRows& h, int64_t rows) {
  Mass m = {std::vector<double>(h.k.size(), 0.0), std::vector<double>(h.k.size(), 0.0)};
  const double scale = 1 / std::sqrt(static_cast<double>(h.k[0].size()));
  for (int64_t i = Rows(h) - rows; i < Rows(h); ++i) {
    const int64_t first = h.FirstKey(h.begin + i);
    std::vector<double> s;
    for (int64_t j = first; j <= h.begin + i; ++j) {
      s.push_back(scale * Dot(h.q[static_cast<size_t>(i)], h.k[static_cast<size_t>(j)]));
    }
    s = Softmax(s);
    for (int64_t j = first; j <= h.begin + i; ++j) {
      m.column[static_cast<size_t>(j)] += s[static_cast<size_t>(j - first)];
      m.distance[static_cast<size_t>(h.begin + i - j)] += s[static_cast<size_t>(j - first)];
    }
  }
  return m;
}

VerticalSlash SelectVerticalSlash(const HeadRows& h, int64_t vertical_size, int64_t slash_size) {
  const int64_t n = N(h);
  Mass m = LineMass(h, std::min<int64_t>(64, Rows(h)));
  for (int64_t i = 0; i < std::min<int64_t>(30, n); ++i) m.column[static_cast<size_t>(i)] = kInf;
  for (int64_t i = 0; i < std::min<int64_t>(100, n); ++i) m.distance[static_cast<size_t>(i)] = kInf;
  VerticalSlash r;
  r.columns = Largest(m.column, std::min(n, std::max<int64_t>(vertical_size, 30)));
  r.distances = Largest(m.distance, std::min(n, std::max<int64_t>(slash_size, 50)));
  std::sort(r.columns.begin(), r.columns.end());
  std::sort(r.distances.begin(), r.distances.end(), std::greater<>());

  r.visible = None(h);
  for (int64_t row = 0; row < Rows(h); row += 64) {
    // Every key of a block of 64 that the scan over the distances opens or adds.
    std::set<int64_t> keys(r.columns.begin(), r.columns.end());
    const int64_t end = h.begin + row + 64;
    int64_t stop = -1;
    for (int64_t d : r.distances) {
      if (d >= end) continue;
      const int64_t e = std::max<int64_t>(end - d, 64);
      if (stop < 0 || e > stop + 64) {
        for (int64_t t = e - 64; t < e; ++t) keys.insert(t);
        stop = e;
      } else if (e > stop) {
        for (int64_t t = stop; t < stop + 64; ++t) keys.insert(t);
        stop += 64;
      }
    }
    for (int64_t i = row; i < std::min(row + 64, Rows(h)); ++i) {
      for (int64_t t : keys) {
        if (t > h.begin + i || t < h.FirstKey(h.begin + i)) continue;
        r.visible[static_cast<size_t>(i)][static_cast<size_t>(t)] = 1;
      }
    }
  }
  return r;
}

Visible BlockSparseVisible(const HeadRows& h, int64_t top_k) {
  Visible v = None(h);
  for (int64_t block = h.begin / 64; block * 64 < N(h); ++block) {
    const int64_t first = std::max(h.begin, block * 64);
    const int64_t last = std::min(N(h), (block + 1) * 64);
    const auto q = Mean(h.q, first - h.begin, last - h.begin, 64);
    const int64_t oldest = h.FirstKey(first) / 64;
    std::vector<double> score;
    for (int64_t c = oldest; c <= block; ++c) {
      score.push_back(Dot(q, Mean(h.k, c * 64, std::min(N(h), (c + 1) * 64), 64)));
    }
    if (h.window > 0) score.back() = kInf;
    for (int64_t i : Largest(score, top_k)) {
      const int64_t c = oldest + i;
      for (int64_t p = first; p < last; ++p) {
        for (int64_t t = std::max(c * 64, h.FirstKey(p)); t < std::min(p + 1, (c + 1) * 64); ++t) {
          v[static_cast<size_t>(p - h.begin)][static_cast<size_t>(t)] = 1;
        }
      }
    }
  }
  return v;
}

Flex SelectFlex(const HeadRows& h, const FlexOptions& o) {
  const int64_t n = N(h), b = o.block, blocks = (n + b - 1) / b, r = n - (blocks - 1) * b;
  const double scale = 1 / std::sqrt(static_cast<double>(h.k[0].size()));
  Mass m = LineMass(h, b);
  for (double& x : m.column) x /= static_cast<double>(b);
  for (double& x : m.distance) x /= static_cast<double>(b);

  const auto oldest = [&](int64_t row) { return h.FirstKey(std::max(h.begin, row)) / b; };
  std::vector<double> a_hat(static_cast<size_t>(blocks), 0.0), slash = a_hat, a_bar;
  std::vector<std::vector<double>> k_bar;
  for (int64_t t = 0; t < n; ++t) {
    a_hat[static_cast<size_t>(t / b)] += m.column[static_cast<size_t>(t)];
    slash[static_cast<size_t>((t + b - r) / b)] += m.distance[static_cast<size_t>(t)];
  }
  const auto q_bar = Mean(h.q, Rows(h) - b, Rows(h), static_cast<double>(b));
  for (int64_t c = 0; c < blocks; ++c) {
    const int64_t end = std::min(n, (c + 1) * b);
    k_bar.push_back(Mean(h.k, c * b, end, static_cast<double>(end - c * b)));
    if (c >= oldest(n - b)) a_bar.push_back(scale * Dot(q_bar, k_bar.back()));
  }
  a_bar = Softmax(a_bar);
  double js = 0;
  for (size_t c = 0; c < a_bar.size(); ++c) {
    const double p = a_bar[c], q = a_hat[c + static_cast<size_t>(oldest(n - b))];
    const double mid = (p + q) / 2;
    js += p * std::log(p / mid) / 2 + q * std::log(q / mid) / 2;
  }
  Flex flex;
  flex.query_aware = std::sqrt(js) < o.tau;

  const int64_t least = (o.min_budget + b - 1) / b;
  const int64_t most = o.max_budget ? std::min(blocks, (*o.max_budget + b - 1) / b) : blocks;
  const auto count = [&](const std::vector<double>& x) {
    if (flex.query_aware) return std::min(least, blocks);
    return std::min(most, std::max(least, (1 + Within(x, o.gamma)) / 128 + 1));
  };
  a_hat[0] = slash[0] = kInf;
  std::set<std::pair<int64_t, int64_t>> chosen;  // (row block, key block)
  const int64_t first = h.begin / b;
  for (int64_t c : Largest(a_hat, count(m.column))) {
    for (int64_t row = std::max(first, c); row < blocks; ++row) chosen.emplace(row, c);
  }
  for (int64_t s : Largest(slash, count(m.distance))) {
    for (int64_t row = std::max(first, s); row < blocks; ++row) chosen.emplace(row, row - s);
  }
  if (flex.query_aware) {
    std::vector<double> map;
    std::vector<std::pair<int64_t, int64_t>> place;
    for (int64_t row = first; row < blocks; ++row) {
      const int64_t begin = std::max(h.begin, row * b), end = std::min(n, (row + 1) * b);
      const auto q = Mean(h.q, begin - h.begin, end - h.begin, static_cast<double>(end - begin));
      std::vector<double> s;
      for (int64_t c = oldest(row * b); c <= row; ++c) {
        s.push_back(scale * Dot(q, k_bar[static_cast<size_t>(c)]));
        place.emplace_back(row, c);
      }
      s = Softmax(s);
      map.insert(map.end(), s.begin(), s.end());
    }
    const int64_t kept = Within(map, o.gamma * static_cast<double>(blocks - first));
    for (int64_t i : Largest(map, kept)) chosen.insert(place[static_cast<size_t>(i)]);
  }
  flex.visible = None(h);
  for (int64_t i = 0; i < Rows(h); ++i) {
    const int64_t p = h.begin + i;
    for (int64_t t = h.FirstKey(p); t <= p; ++t) {
      if (chosen.count({p / b, t / b}) != 0) {
        flex.visible[static_cast<size_t>(i)][static_cast<size_t>(t)] = 1;
      }
    }
  }
  return flex;
}

std::vector<std::vector<double>> Attend(const HeadRows& h,
                                        const std::vector<std::vector<double>>& v,
                                        const Visible& visible) {
  const double scale = 1 / std::sqrt(static_cast<double>(h.k[0].size()));
  std::vector<std::vector<double>> out;
  for (size_t i = 0; i < h.q.size(); ++i) {
    std::vector<double> s;
    std::vector<size_t> keys;
    for (size_t j = 0; j < h.k.size(); ++j) {
      if (visible[i][j] == 0) continue;
      keys.push_back(j);
      s.push_back(scale * Dot(h.q[i], h.k[j]));
    }
    s = Softmax(s);
    std::vector<double> row(v[0].size(), 0.0);
    for (size_t x = 0; x < keys.size(); ++x) {
      for (size_t c = 0; c < row.size(); ++c) row[c] += s[x] * v[keys[x]][c];
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace quarry::reference
