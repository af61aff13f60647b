/* Load for bench/server.py, plain TCP on 127.0.0.1 only.
 *
 *   respond PORT SUBJECT             answer every request with its own payload until killed
 *   request PORT SUBJECT CLIENTS N   N request-reply round trips over CLIENTS connections, one in
 *                                    flight each; prints "seconds p50_us p99_us max_us"
 *
 * request sends a counter as payload and fails unless each reply carries the same counter.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <signal.h>

enum { PAYLOAD = 16, BUFFER = 1 << 20, IDLE_MS = 10000 };

static void fail(const char *what) { perror(what); exit(1); }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void nodelay(int fd) { setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); }

static void send_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) fail("send");
        data += n, size -= n;
    }
}

/* One connection: bytes of the current incomplete line or message stay in buf[0..have). */
typedef struct {
    int fd;
    size_t have;
    char *buf;
    long counter;
    double sent_at;
} Conn;

static void receive(Conn *c, size_t room) {
    ssize_t n = recv(c->fd, c->buf + c->have, room - c->have, 0);
    if (n <= 0) fail("server closed the connection");
    c->have += n;
}

/* Connect, send CONNECT, the given SUB line and PING; return once PONG has come. */
static void open_conn(Conn *c, int port, const char *sub, size_t room) {
    struct sockaddr_in a = loopback(port);
    char hello[512];
    *c = (Conn){.fd = socket(AF_INET, SOCK_STREAM, 0), .buf = malloc(room + 1)};
    if (connect(c->fd, (void *)&a, sizeof a)) fail("connect");
    nodelay(c->fd);
    send_all(c->fd, hello, snprintf(hello, sizeof hello,
             "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"1\","
             "\"protocol\":1}\r\n%sPING\r\n", sub));
    for (c->buf[0] = 0; !strstr(c->buf, "PONG\r\n"); c->buf[c->have] = 0) receive(c, room);
    if (strstr(c->buf, "-ERR")) { fprintf(stderr, "%s", c->buf); exit(1); }
    c->have = 0;
}

/* Find the next complete MSG. Returns its total length (0 = incomplete) with reply and payload set.
 * Other lines (PING, INFO, +OK) are answered or skipped and return -length. */
static long next_msg(Conn *c, char *at, size_t left, char **reply, size_t *reply_len, char **payload, long *size) {
    char *eol = memchr(at, '\n', left), *word[6];
    int words = 0;
    if (!eol) return 0;
    if (memcmp(at, "MSG ", 4)) {
        if (!memcmp(at, "PING", 4)) send_all(c->fd, "PONG\r\n", 6);
        if (at[0] == '-') { fprintf(stderr, "%.*s\n", (int)(eol - at), at); exit(1); }
        return -(eol + 1 - at);
    }
    for (char *p = at; p < eol && words < 6; words++) {
        word[words] = p;
        while (p < eol && *p != ' ') p++;
        p++;
    }
    *size = atol(word[words - 1]);
    *reply = words == 5 ? word[3] : NULL;
    *reply_len = words == 5 ? word[4] - word[3] - 1 : 0;
    *payload = eol + 1;
    long total = eol + 1 - at + *size + 2;
    return (size_t)total <= left ? total : 0;
}

static void shift(Conn *c, size_t used) {
    memmove(c->buf, c->buf + used, c->have - used);
    c->have -= used;
}

static void respond(int port, const char *subject) {
    Conn c;
    char sub[256], *out = malloc(2 * BUFFER);
    snprintf(sub, sizeof sub, "SUB %s 1\r\n", subject);
    open_conn(&c, port, sub, BUFFER);
    puts("ready");
    fflush(stdout);
    for (;;) {
        receive(&c, BUFFER);
        size_t used = 0, filled = 0;
        char *reply, *payload;
        size_t reply_len;
        long size, step;
        while ((step = next_msg(&c, c.buf + used, c.have - used, &reply, &reply_len, &payload, &size))) {
            if (step > 0 && reply) {
                filled += sprintf(out + filled, "PUB %.*s %ld\r\n", (int)reply_len, reply, size);
                memcpy(out + filled, payload, size + 2);
                filled += size + 2;
            }
            used += labs(step);
        }
        shift(&c, used);
        if (filled) send_all(c.fd, out, filled);
    }
}

static void ask(Conn *c, const char *subject, int id, long counter) {
    char frame[256];
    c->counter = counter;
    c->sent_at = now();
    send_all(c->fd, frame, snprintf(frame, sizeof frame, "PUB %s _INBOX.c%d %d\r\n%0*ld\r\n",
                                    subject, id, PAYLOAD, PAYLOAD, counter));
}

static int by_value(const void *a, const void *b) {
    float d = *(const float *)a - *(const float *)b;
    return d < 0 ? -1 : d > 0;
}

static void request(int port, const char *subject, int clients, long total) {
    enum { ROOM = 65536 };
    Conn *conns = calloc(clients, sizeof *conns);
    float *took = malloc(total * sizeof *took);
    struct epoll_event ready[64];
    int ep = epoll_create1(0);
    long sent = 0, done = 0;
    for (int i = 0; i < clients; i++) {
        char sub[64];
        snprintf(sub, sizeof sub, "SUB _INBOX.c%d 1\r\n", i);
        open_conn(&conns[i], port, sub, ROOM);
        epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &(struct epoll_event){EPOLLIN, {.u32 = i}});
    }
    double start = now();
    for (int i = 0; i < clients && sent < total; i++) ask(&conns[i], subject, i, sent++);
    while (done < total) {
        int n = epoll_wait(ep, ready, 64, IDLE_MS);
        if (n <= 0) { fprintf(stderr, "no reply for 10 s, %ld of %ld done\n", done, total); exit(1); }
        for (int k = 0; k < n; k++) {
            int id = ready[k].data.u32;
            Conn *c = &conns[id];
            size_t used = 0, reply_len;
            char *reply, *payload;
            long size, step;
            receive(c, ROOM);
            while ((step = next_msg(c, c->buf + used, c->have - used, &reply, &reply_len, &payload, &size))) {
                used += labs(step);
                if (step < 0) continue;
                if (size != PAYLOAD || atol(payload) != c->counter) { fprintf(stderr, "wrong reply\n"); exit(1); }
                took[done++] = (now() - c->sent_at) * 1e6;
                if (sent < total) ask(c, subject, id, sent++);
            }
            shift(c, used);
        }
    }
    double seconds = now() - start;
    qsort(took, total, sizeof *took, by_value);
    printf("%.6f %.1f %.1f %.1f\n", seconds, took[total / 2], took[total * 99 / 100], took[total - 1]);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && !strcmp(argv[1], "respond")) respond(atoi(argv[2]), argv[3]);
    else if (argc == 6 && !strcmp(argv[1], "request")) request(atoi(argv[2]), argv[3], atoi(argv[4]), atol(argv[5]));
    else { fprintf(stderr, "usage: see the top of load.c\n"); return 2; }
    return 0;
}
