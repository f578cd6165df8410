// Softmax attention in float64: one query, one key and one channel at a time, from the formulas
// alone. Shares no code with src/; tests compare src/ with it.
//
//   score(t) = Rot(q, m) . Rot(k_t, n) / sqrt(D)      probability = softmax of the scores
//   out      = sum over t of probability(t) * v_t
//
// The product of two rotated vectors depends on m - n alone, so a term names a distance. A key that
// is not rotated stands at position 0.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace quarry::reference {

// [tokens][heads][dim], row-major.
struct Rows {
  int64_t tokens = 0;
  int heads = 0;
  int dim = 0;
  std::vector<double> x;

  const double* at(int64_t token, int head) const {
    return x.data() + (token * heads + head) * dim;
  }
};

// Pair i is channels (i, i + n) of the first 2n; it turns by position * frequency[i], and cos and
// sin are multiplied by `magnitude`. Channels from 2n on pass unchanged.
class Rotation {
 public:
  explicit Rotation(std::vector<double> frequency, double magnitude = 1)
      : frequency_(std::move(frequency)), magnitude_(magnitude) {}

  // frequency[i] = scale * base^(-2i / dim), every channel rotated.
  static Rotation Plain(int dim, double base = 10000, double scale = 1);

  std::vector<double> Rotate(const double* x, int dim, int64_t position) const;
  // Rotate(q, m) . Rotate(k, n) for any m - n = distance.
  double Dot(const double* q, const double* k, int dim, int64_t distance) const;

 private:
  struct Turn {
    std::vector<double> cos, sin;
  };
  const Turn& At(int64_t distance) const;

  std::vector<double> frequency_;
  double magnitude_;
  mutable std::map<int64_t, Turn> turns_;  // those computed so far
};

// One key that a query attends to: the query's position minus the key's.
struct Term {
  int64_t key = 0;
  int64_t distance = 0;
};

struct Attention {
  std::vector<double> out;          // [dim]; zeros without terms
  std::vector<double> probability;  // per term
};

// `q`: [k.dim]; the keys and values of KV head `kv_head`.
Attention MaskedAttention(const Rotation& rotation, const double* q, const Rows& k, const Rows& v,
                          int kv_head, const std::vector<Term>& terms);

}  // namespace quarry::reference
