/* Times: YYYY-MM-DDTHH:MM:SS, a fraction or none, and Z or an offset; from 1970 to 9999. */

enum { TIME = 24 }; /* bytes of a time as the router writes it */
static const i64 LAST_TIME = 253402300799999ll;

static i64 digits(const u8 *p, u32 count) { /* -1 where there are others */
    i64 number = 0;
    for (u32 i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        number = number * 10 + (p[i] - '0');
    }
    return number;
}

/* Days since 1970-01-01 and back: https://howardhinnant.github.io/date_algorithms.html, for years after 1 BC. */
static i64 days_of(i64 year, i64 month, i64 day) {
    year -= month <= 2;
    i64 era = year / 400, of_era = year - era * 400;
    i64 of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Milliseconds since 1970, or -1. A fraction of more than three digits is cut off. */
static i64 time_of(const u8 *p, u32 size) {
    static const u8 DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (size < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':') return -1;
    i64 year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);
    i64 hour = digits(p + 11, 2), minute = digits(p + 14, 2), second = digits(p + 17, 2), part = 0, offset = 0;
    u32 at = 19;
    if (p[at] == '.') {
        u32 first = ++at;
        while (at < size && p[at] >= '0' && p[at] <= '9') at++;
        u32 places = at - first;
        if (!places || places > 9) return -1;
        part = digits(p + first, places < 3 ? places : 3);
        for (u32 i = places; i < 3; i++) part *= 10;
    }
    if (size - at == 6 && (p[at] == '+' || p[at] == '-') && p[at + 3] == ':') {
        i64 hours = digits(p + at + 1, 2), minutes = digits(p + at + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return -1;
        offset = (hours * 60 + minutes) * (p[at] == '+' ? 60000 : -60000);
    } else if (size - at != 1 || p[at] != 'Z') {
        return -1;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59) return -1;
    if (second < 0 || second > 59) return -1;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > DAYS[month - 1] + (month == 2 && leap)) return -1;
    i64 found = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + part - offset;
    return found < 0 ? -1 : found;
}

static void put_digits(u8 *p, i64 number, u32 count) {
    while (count--) {
        p[count] = (u8)('0' + number % 10);
        number /= 10;
    }
}

static void put_time(u8 *p, i64 ms) {
    i64 days = ms / 86400000, rest = ms % 86400000;
    i64 shifted = days + 719468, era = shifted / 146097, of_era = shifted - era * 146097;
    i64 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    i64 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), at = (5 * of_year + 2) / 153;
    i64 day = of_year - (153 * at + 2) / 5 + 1, month = at < 10 ? at + 3 : at - 9;
    memcpy(p, "0000-00-00T00:00:00.000Z", TIME);
    put_digits(p, year_of_era + era * 400 + (month <= 2), 4);
    put_digits(p + 5, month, 2);
    put_digits(p + 8, day, 2);
    put_digits(p + 11, rest / 3600000, 2);
    put_digits(p + 14, rest / 60000 % 60, 2);
    put_digits(p + 17, rest / 1000 % 60, 2);
    put_digits(p + 20, rest % 1000, 3);
}
