/* Asks the bus one question: ask TEXT [MODEL [SECONDS]]. Needs libzmq and nothing else:
 *     cc -std=c11 -Wall -Wextra -o ask ask.c -lzmq
 * Ends with 0 after an answer, 1 after a FAILURE, REJECTED or ERROR, 2 when nobody answered or can be asked, 3 when
 * memory ran out. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* What the broker answered. is_sent is 0 when there is no broker; verb is NULL when nothing came. header and body are
 * JSON, and end with a zero. */
struct answer {
    int is_sent;
    char *verb, *header, *body;
};

static char endpoint[160];
static void *context;

static void free_answer(struct answer *answer)
{
    free(answer->verb);
    free(answer->header);
    free(answer->body);
    *answer = (struct answer){answer->is_sent, NULL, NULL, NULL};
}

static void *checked(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

/* Appends a frame to a text. */
static char *joined(char *text, const void *data, size_t size)
{
    size_t length = text ? strlen(text) : 0;
    text = checked(realloc(text, length + size + 1));
    memcpy(text + length, data, size);
    text[length + size] = 0;
    return text;
}

/* ---- JSON: as much of it as an answer needs. The broker sends valid JSON; a text that is not ends early. ---- */

static const char *blank(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* The end of the value that begins at `at`. */
static const char *skip(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            for (at++; *at && *at != '"'; at++)
                if (*at == '\\' && at[1])
                    at++;
            if (*at)
                at++;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            at++;
        } else if (*at == ',' || *at == ':') {
            at++;
        } else {
            at += strcspn(at, ",:{}[]\" \t\r\n");
        }
        at = blank(at);
    } while (depth > 0 && *at);
    return at;
}

/* The value of a member of the object at `at`; NULL when it has none, or is none. Names must not need escapes. */
static const char *member(const char *at, const char *name)
{
    size_t length = strlen(name);
    if (!at || *(at = blank(at)) != '{')
        return NULL;
    for (at = blank(at + 1); *at == '"';) {
        const char *key = at + 1, *value = blank(skip(at));
        if (*value != ':')
            return NULL;
        value = blank(value + 1);
        if (!strncmp(key, name, length) && key[length] == '"')
            return value;
        at = blank(skip(value));
        if (*at == ',')
            at = blank(at + 1);
    }
    return NULL;
}

/* The first element of the array at `at`. */
static const char *first(const char *at)
{
    return at && *(at = blank(at)) == '[' ? blank(at + 1) : NULL;
}

/* Writes a code point as UTF-8. */
static void put(unsigned long point, FILE *out)
{
    if (point < 0x80) {
        putc((int)point, out);
    } else if (point < 0x800) {
        fprintf(out, "%c%c", (int)(0xC0 | point >> 6), (int)(0x80 | (point & 63)));
    } else if (point < 0x10000) {
        fprintf(out, "%c%c%c", (int)(0xE0 | point >> 12), (int)(0x80 | (point >> 6 & 63)), (int)(0x80 | (point & 63)));
    } else {
        fprintf(out, "%c%c%c%c", (int)(0xF0 | point >> 18), (int)(0x80 | (point >> 12 & 63)),
                (int)(0x80 | (point >> 6 & 63)), (int)(0x80 | (point & 63)));
    }
}

/* The four hexadecimal digits at `at`; -1 when they are none. */
static long hexadecimal(const char *at)
{
    char digits[5] = {0};
    if (strspn(at, "0123456789abcdefABCDEF") < 4)
        return -1;
    memcpy(digits, at, 4);
    return strtol(digits, NULL, 16);
}

/* Writes a value: a string as its text, any other as it stands. */
static void print(const char *at, FILE *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (!at)
        return;
    if (*at != '"') {
        const char *end = skip(at);
        fwrite(at, 1, (size_t)(end - at), out);
        return;
    }
    for (at++; *at && *at != '"'; at++) {
        const char *found;
        if (*at != '\\') {
            putc(*at, out);
        } else if (!*++at) {
            return;
        } else if (*at == 'u') {
            long point = hexadecimal(at + 1), low;
            if (point < 0)
                return;
            at += 4;
            if (point >= 0xD800 && point < 0xDC00 && at[1] == '\\' && at[2] == 'u'
                && (low = hexadecimal(at + 3)) >= 0xDC00 && low < 0xE000) {
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
                at += 6;
            }
            put(point >= 0xD800 && point < 0xE000 ? 0xFFFD : (unsigned long)point, out);
        } else {
            putc((found = strchr(from, *at)) ? to[found - from] : *at, out);
        }
    }
}

static long number(const char *at, long otherwise)
{
    return at && ((*at >= '0' && *at <= '9') || *at == '-') ? strtol(at, NULL, 10) : otherwise;
}

/* Appends a text as a JSON string. */
static char *quoted(char *json, const char *text)
{
    json = joined(json, "\"", 1);
    while (*text) {
        char escape[8];
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
            plain++;
        json = joined(json, text, plain);
        text += plain;
        if (*text) {
            int size = snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text++);
            json = joined(json, escape, (size_t)size);
        }
    }
    return joined(json, "\"", 1);
}

/* ---- The bus ---- */

static int milliseconds(double seconds)
{
    return seconds > 5 ? 5000 : (int)(seconds * 1000);
}

/* Sends a message on a socket of its own and waits for the answer, up to 5 s each: the sending at most until the `left`
 * seconds are over, the answer 5 s longer. A body of NULL is none. */
static struct answer exchange(double left, const char *verb, const char *id, const char *header, const char *body)
{
    struct answer answer = {0, NULL, NULL, NULL};
    int none = 0, send_ms = milliseconds(left > 0.5 ? left : 0.5), silence_ms = milliseconds(left + 5), more = 1;
    void *socket = checked(zmq_socket(context, ZMQ_REQ));
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    /* Nothing is sent before there is a broker. */
    zmq_setsockopt(socket, ZMQ_IMMEDIATE, &more, sizeof more);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &send_ms, sizeof send_ms);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &silence_ms, sizeof silence_ms);
    if (zmq_connect(socket, endpoint)) {
        fprintf(stderr, "cannot connect to %s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        exit(2);
    }
    if (zmq_send(socket, "UBP/1", 5, ZMQ_SNDMORE) < 0) {
        zmq_close(socket);
        return answer;
    }
    answer.is_sent = 1;
    zmq_send(socket, verb, strlen(verb), ZMQ_SNDMORE);
    zmq_send(socket, id, strlen(id), ZMQ_SNDMORE);
    zmq_send(socket, header, strlen(header), body ? ZMQ_SNDMORE : 0);
    if (body)
        zmq_send(socket, body, strlen(body), 0);
    for (int index = 0; more; index++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, 0) < 0)
            break;
        char **place = index == 1 ? &answer.verb : index == 3 ? &answer.header : index > 3 ? &answer.body : NULL;
        if (place)
            *place = joined(*place, zmq_msg_data(&frame), zmq_msg_size(&frame));
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
    zmq_close(socket);
    if (!answer.header)
        free_answer(&answer);
    return answer;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int is(const struct answer *answer, const char *verb)
{
    return answer->verb && !strcmp(answer->verb, verb);
}

/* The call itself. The same id is the same request: sent twice, it runs once. */
static struct answer call(const char *id, const char *body, double seconds)
{
    double finish = now() + seconds, left;
    long backoff_ms = 500;
    int is_sent = 0;
    /* The broker ends a request at its deadline and says so; 5 s are for that answer to arrive. */
    while ((left = finish - now()) > (is_sent ? -5 : 0)) {
        char header[64];
        snprintf(header, sizeof header, "{\"deadline_ms\":%ld}", left > 1 ? (long)(left * 1000) : 1000L);
        struct answer answer = is_sent ? exchange(left, "GET", id, "{\"wait_ms\":4000}", NULL)
                                       : exchange(left, "REQUEST", id, header, body);
        is_sent = answer.is_sent;
        if (answer.verb && !is(&answer, "STATE")) {
            const char *retry = member(answer.header, "retry");
            /* No room now, or the broker does not know the id: it was started again, or never saw the REQUEST. */
            long pause_ms = number(member(answer.header, "retry_after_ms"), backoff_ms);
            if (!(is(&answer, "REJECTED") || is(&answer, "ERROR")) || !retry || strncmp(retry, "\"same_id\"", 9)
                || now() + (double)pause_ms / 1000 > finish)
                return answer;
            nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000}, NULL);
            backoff_ms = backoff_ms < 4000 ? 2 * backoff_ms : 8000;
            is_sent = 0;
        }
        free_answer(&answer);
    }
    return (struct answer){0, NULL, NULL, NULL};
}

/* Anyone can make a directory in /tmp. */
static int is_ours(const char *directory)
{
    struct stat status;
    return !lstat(directory, &status) && S_ISDIR(status.st_mode) && status.st_uid == geteuid()
           && (status.st_mode & 0777) == 0700;
}

int main(int count, char **arguments)
{
    const char *text = count > 1 ? arguments[1] : "Hello?", *model = count > 2 ? arguments[2] : NULL;
    const char *directory = getenv("UNDERSTUDY_DIR"), *runtime = getenv("XDG_RUNTIME_DIR");
    char fallback[40], *end = "";
    double seconds = count > 3 ? strtod(arguments[3], &end) : 60;
    if (*end || !(seconds >= 1 && seconds <= 86400)) {
        fputs("usage: ask TEXT [MODEL [SECONDS]], SECONDS from 1 to 86400\n", stderr);
        return 2;
    }
    snprintf(fallback, sizeof fallback, "/tmp/understudy-%lu", (unsigned long)geteuid());
    if (directory && *directory)
        snprintf(endpoint, sizeof endpoint, "ipc://%s/agents.sock", directory);
    else if (runtime && *runtime)
        snprintf(endpoint, sizeof endpoint, "ipc://%s/understudy/agents.sock", runtime);
    else if (is_ours(fallback))
        snprintf(endpoint, sizeof endpoint, "ipc://%s/agents.sock", fallback);
    else {
        fprintf(stderr, "%s is no directory of this user's with mode 0700; is there an 'understudy up'?\n", fallback);
        return 2;
    }
    context = checked(zmq_ctx_new());

    unsigned char random[16];
    char id[33];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return 3;
    for (size_t index = 0; index < sizeof random; index++)
        snprintf(id + 2 * index, 3, "%02x", random[index]);

    char *body = joined(NULL, "{", 1);
    if (model) {
        body = quoted(joined(body, "\"model\":", 8), model);
        body = joined(body, ",", 1);
    }
    static const char before[] = "\"messages\":[{\"role\":\"user\",\"content\":", after[] = "}]}";
    body = quoted(joined(body, before, sizeof before - 1), text);
    body = joined(body, after, sizeof after - 1);

    struct answer answer = call(id, body, seconds);
    int is_reply = is(&answer, "REPLY"), status = is_reply ? 0 : answer.verb ? 1 : 2;
    if (!answer.verb) {
        fprintf(stderr, "no answer within %g s from %s; is there an 'understudy up'?\n", seconds, endpoint);
    } else if (is_reply) {
        static const char *const names[] = {"resolved_model", "attempts", "fallbacks"};
        const char *message = member(first(member(answer.body, "choices")), "message");
        const char *content = member(message, "content"), *meta = member(answer.header, "meta");
        print(content && *content == '"' ? content : message, stdout);
        for (int index = 0; meta && *meta == '{' && index < 3; index++) {
            printf("%c%s=", index ? ' ' : '\n', names[index]);
            print(member(meta, names[index]), stdout);
        }
        putchar('\n');
        if (fflush(stdout) || ferror(stdout)) {
            fprintf(stderr, "the answer could not be written; the broker keeps it under the id %s\n", id);
            return 2;
        }
    } else {
        const char *header = answer.header;
        fprintf(stderr, "%s %ld ", answer.verb, number(member(header, "code"), 0));
        print(member(header, "symbol"), stderr);
        fputs(": ", stderr);
        print(member(header, "message"), stderr);
        fputs(" (retry: ", stderr);
        print(member(header, "retry"), stderr);
        fputs(", billed: ", stderr);
        print(member(header, "billed"), stderr);
        fputs(")\n", stderr);
    }
    if (is_reply || is(&answer, "FAILURE")) {
        /* The result is safe: the broker may forget it. */
        struct answer done = exchange(0, "ACK", id, "", NULL);
        free_answer(&done);
    }
    free_answer(&answer);
    free(body);
    zmq_ctx_term(context);
    return status;
}
