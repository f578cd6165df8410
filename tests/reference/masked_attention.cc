#include "tests/reference/masked_attention.h"

#include <algorithm>
#include <cmath>

namespace quarry::reference {

Rotation Rotation::Plain(int dim, double base, double scale) {
  std::vector<double> frequency;
  for (int i = 0; i < dim / 2; ++i) frequency.push_back(scale * std::pow(base, -2.0 * i / dim));
  return Rotation(frequency);
}

const Rotation::Turn& Rotation::At(int64_t distance) const {
  Turn& turn = turns_[distance];
  if (turn.cos.empty()) {
    for (double f : frequency_) {
      turn.cos.push_back(std::cos(static_cast<double>(distance) * f));
      turn.sin.push_back(std::sin(static_cast<double>(distance) * f));
    }
  }
  return turn;
}

std::vector<double> Rotation::Rotate(const double* x, int dim, int64_t position) const {
  std::vector<double> out(x, x + dim);
  const Turn& turn = At(position);
  const size_t n = frequency_.size();
  for (size_t i = 0; i < n; ++i) {
    out[i] = magnitude_ * (x[i] * turn.cos[i] - x[i + n] * turn.sin[i]);
    out[i + n] = magnitude_ * (x[i + n] * turn.cos[i] + x[i] * turn.sin[i]);
  }
  return out;
}

double Rotation::Dot(const double* q, const double* k, int dim, int64_t distance) const {
  const Turn& turn = At(distance);
  const size_t n = frequency_.size();
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    // Re(a conj(b) e^(i angle)) of the pairs as complex numbers.
    const double along = q[i] * k[i] + q[i + n] * k[i + n];
    const double across = q[i] * k[i + n] - q[i + n] * k[i];
    sum += magnitude_ * magnitude_ * (along * turn.cos[i] + across * turn.sin[i]);
  }
  for (size_t i = 2 * n; i < static_cast<size_t>(dim); ++i) sum += q[i] * k[i];
  return sum;
}

Attention MaskedAttention(const Rotation& rotation, const double* q, const Rows& k, const Rows& v,
                          int kv_head, const std::vector<Term>& terms) {
  Attention result;
  result.out.assign(static_cast<size_t>(k.dim), 0.0);
  if (terms.empty()) return result;

  std::vector<double> score;
  for (const Term& t : terms) {
    const double dot = rotation.Dot(q, k.at(t.key, kv_head), k.dim, t.distance);
    score.push_back(dot / std::sqrt(static_cast<double>(k.dim)));
  }
  const double top = *std::max_element(score.begin(), score.end());
  double sum = 0;
  for (double s : score) sum += std::exp(s - top);
  for (double s : score) result.probability.push_back(std::exp(s - top) / sum);
  for (size_t i = 0; i < terms.size(); ++i) {
    const double* value = v.at(terms[i].key, kv_head);
    for (size_t c = 0; c < result.out.size(); ++c) {
      result.out[c] += result.probability[i] * value[c];
    }
  }
  return result;
}

}  // namespace quarry::reference
