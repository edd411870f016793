// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, 2011): 128 random bits as a function of a 64-bit key and a 128-bit
// counter, and the numbers made of them. A number is a function of the key and of its place alone.
#pragma once
#include "common.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace strait {

constexpr uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;
constexpr uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;
constexpr int kPhiloxRounds = 10;

// Blocks computed side by side.
constexpr int kLanes = 32;

// The four words of each of `kLanes` blocks.
struct Words {
  uint32_t word[4][kLanes];
};

// The words of the blocks from `block` on; the counter is the number of the block.
INLINE void philox(uint64_t key, uint64_t block, Words& to) {
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t counter = block + i;
    to.word[0][i] = static_cast<uint32_t>(counter);
    to.word[1][i] = static_cast<uint32_t>(counter >> 32);
    to.word[2][i] = 0;
    to.word[3][i] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (int i = 0; i < kLanes; ++i) {
      const uint64_t a = static_cast<uint64_t>(kPhiloxM0) * to.word[0][i];
      const uint64_t b = static_cast<uint64_t>(kPhiloxM1) * to.word[2][i];
      to.word[0][i] = static_cast<uint32_t>(b >> 32) ^ to.word[1][i] ^ k0;
      to.word[1][i] = static_cast<uint32_t>(b);
      to.word[2][i] = static_cast<uint32_t>(a >> 32) ^ to.word[3][i] ^ k1;
      to.word[3][i] = static_cast<uint32_t>(a);
    }
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
}

// What differs between the two precisions: how many words a number takes, log, and sine and cosine of a turn.
template <typename T>
struct Precision;

template <>
struct Precision<float> {
  static constexpr int kNumbers = 4;  // of a block
  // Uniform on [0, 1): 24 bits.
  static INLINE float uniform(uint32_t x, uint32_t) {
    return static_cast<float>(static_cast<int32_t>(x >> 8)) * 0x1p-24f;
  }
  // sqrt(-2 log u) of u = (x + 1/2) / 2^32: normal numbers up to 6.7.
  static INLINE float radius(uint32_t x, uint32_t) {
    const float u = static_cast<float>(static_cast<int32_t>(x >> 16)) * 0x1p-16f +
                    (static_cast<float>(static_cast<int32_t>(x & 0xffff)) + 0.5f) * 0x1p-32f;
    int32_t bits;
    std::memcpy(&bits, &u, sizeof bits);
    // u = 2^e m with m in [sqrt(1/2), sqrt(2)).
    const int32_t shifted = bits - 0x3f3504f3;
    const float e = static_cast<float>(shifted >> 23);
    const int32_t mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
    float m;
    std::memcpy(&m, &mantissa, sizeof m);
    const float f = m - 1.0f, z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    const float log = (f + (p * f * z + e * -2.12194440e-4f - 0.5f * z)) + e * 0.693359375f;
    const float square = -2.0f * log;
    return std::sqrt(square > 0.0f ? square : 0.0f);
  }
  // Sine and cosine of x / 2^32 of a turn, reduced to an eighth of a turn in whole numbers.
  static INLINE void turn(uint32_t x, uint32_t, float& sine, float& cosine) {
    const uint32_t quarter = (x + (1u << 29)) >> 30;
    const float r = static_cast<float>(static_cast<int32_t>(x - (quarter << 30))) * 1.4629180792671596e-9f;
    const float z = r * r;
    float s = -1.9515295891e-4f;
    s = s * z + 8.3321608736e-3f;
    s = s * z - 1.6666654611e-1f;
    s = s * z * r + r;
    float c = 2.443315711809948e-5f;
    c = c * z - 1.388731625493765e-3f;
    c = c * z + 4.166664568298827e-2f;
    c = c * z * z - 0.5f * z + 1.0f;
    const bool odd = quarter & 1;
    const float first = odd ? c : s, second = odd ? s : c;
    sine = quarter & 2 ? -first : first;
    cosine = (quarter + 1) & 2 ? -second : second;
  }
};

template <>
struct Precision<double> {
  static constexpr int kNumbers = 2;
  static INLINE double whole(uint32_t x) {
    return static_cast<double>(static_cast<int32_t>(x ^ 0x80000000u)) + 2147483648.0;
  }
  // Uniform on [0, 1): 53 bits.
  static INLINE double uniform(uint32_t x, uint32_t low) {
    return whole(x) * 0x1p-32 + whole(low & 0xfffff800u) * 0x1p-64;
  }
  static INLINE double radius(uint32_t x, uint32_t low) {
    const double u = whole(x) * 0x1p-32 + (whole(low) + 0.5) * 0x1p-64;
    int64_t bits;
    std::memcpy(&bits, &u, sizeof bits);
    const int64_t shifted = bits - 0x3fe6a09e667f3bcd;
    const double e = static_cast<double>(static_cast<int32_t>(static_cast<uint64_t>(shifted) >> 52 << 20) >> 20);
    const int64_t mantissa = (shifted & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd;
    double m;
    std::memcpy(&m, &mantissa, sizeof m);
    // log m = 2 artanh s; s is at most .172.
    const double f = m - 1.0, s = f / (m + 1.0), z = s * s;
    double p = 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    const double log = 2.0 * s + (2.0 * s * z * p + e * 1.90821492927058770e-10) + e * 6.93147180369123816490e-1;
    const double square = -2.0 * log;
    return std::sqrt(square > 0.0 ? square : 0.0);
  }
  static INLINE void turn(uint32_t x, uint32_t low, double& sine, double& cosine) {
    const uint32_t quarter = (x + (1u << 29)) >> 30;
    const double turned = static_cast<double>(static_cast<int32_t>(x - (quarter << 30))) + whole(low) * 0x1p-32;
    const double r = turned * 1.4629180792671596e-9;
    const double z = r * r;
    double s = 1.58969099521155010221e-10;
    s = s * z - 2.50507602534068634195e-08;
    s = s * z + 2.75573137070700676789e-06;
    s = s * z - 1.98412698298579493134e-04;
    s = s * z + 8.33333333332248946124e-03;
    s = s * z - 1.66666666666666324348e-01;
    s = s * z * r + r;
    double c = -1.13596475577881948265e-11;
    c = c * z + 2.08757232129817482790e-09;
    c = c * z - 2.75573143513906633035e-07;
    c = c * z + 2.48015872894767294178e-05;
    c = c * z - 1.38888888888741095749e-03;
    c = c * z + 4.16666666666666019037e-02;
    c = c * z * z - 0.5 * z + 1.0;
    const bool odd = quarter & 1;
    const double first = odd ? c : s, second = odd ? s : c;
    sine = quarter & 2 ? -first : first;
    cosine = (quarter + 1) & 2 ? -second : second;
  }
};

}  // namespace strait
