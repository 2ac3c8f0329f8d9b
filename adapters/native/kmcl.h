/*
 * kmcl.h - the VMBus Kernel Mode Client Library as a table of functions, for user space.
 *
 * Our own declaration, from the documented signatures. Names, parameter order and types are
 * those of vmbuskernelmodeclientlibapi.h; widths follow the Windows convention, so ULONG has
 * 32 bits here too. IRQL has no meaning in user space: every callback counts as PASSIVE_LEVEL.
 *
 * A library to be certified exports one function, KmclGetTable. See README.md.
 */
#ifndef KMCL_H
#define KMCL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ---------------------------------------------------------------------------- */

typedef int32_t NTSTATUS;
typedef uint8_t BOOLEAN, UINT8;
typedef uint16_t UINT16;
typedef uint32_t UINT32, ULONG;
typedef uint64_t UINT64;
typedef void VOID, *PVOID, *HANDLE;

typedef struct _GUID {
    UINT32 Data1;
    UINT16 Data2;
    UINT16 Data3;
    UINT8 Data4[8];
} GUID;
typedef const GUID *LPCGUID;

/* Length and MaximumLength count bytes; Buffer is UTF-16 without a terminating zero. */
typedef struct _UNICODE_STRING {
    UINT16 Length;
    UINT16 MaximumLength;
    UINT16 *Buffer;
} UNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _DEVICE_OBJECT *PDEVICE_OBJECT; /* the harness passes null */
typedef struct _MDL *PMDL;                     /* the harness passes null */

typedef struct _VMBCHANNEL *VMBCHANNEL;                   /* one end of a channel */
typedef struct _VMBPACKET *VMBPACKET;                     /* an outgoing packet object */
typedef struct _VMBPACKETCOMPLETION *VMBPACKETCOMPLETION; /* a received packet until retired */

/* ---- Status values and flags ---------------------------------------------------------- */

#define NT_SUCCESS(Status) ((NTSTATUS)(Status) >= 0)

#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_INVALID_PARAMETER_1 ((NTSTATUS)0xC00000EF)
#define STATUS_INVALID_PARAMETER_2 ((NTSTATUS)0xC00000F0)
#define STATUS_INVALID_PARAMETER_3 ((NTSTATUS)0xC00000F1)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_CANCELLED ((NTSTATUS)0xC0000120)
#define STATUS_INVALID_DEVICE_STATE ((NTSTATUS)0xC0000184)
#define STATUS_DEVICE_REMOVED ((NTSTATUS)0xC00002B6)

#define VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION 0x1u
#define VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH 0x2u
#define VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER 0x4u
#define VMBUS_CHANNEL_FORMAT_FLAGS 0x7u

#define VMBUS_CHANNEL_INIT_FLAG_IS_PIPE 0x1u
#define VMBUS_CHANNEL_INIT_FLAGS 0x1u

#define VMBUS_SERVER_CHANNEL_INIT_FLAG_LOOPBACK_OFFER 0x1u
#define VMBUS_SERVER_CHANNEL_INIT_FLAG_ENUMERATE_DEVICE_INTERFACE 0x2u
#define VMBUS_SERVER_CHANNEL_INIT_FLAG_OFFER_AS_PIPE 0x4u
#define VMBUS_SERVER_CHANNEL_INIT_FLAG_FORCE_NEW_CHANNEL 0x8u
#define VMBUS_SERVER_CHANNEL_INIT_FLAG_TLNPI_PROVIDER_OFFER 0x10u
#define VMBUS_SERVER_CHANNEL_INIT_FLAGS 0x1Fu

#define VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA 0x1u
#define VMBUS_CHANNEL_PROCESS_PACKET_FLAGS 0x1u

/* ---- Callbacks: what the library calls in the driver ------------------------------------ */

typedef NTSTATUS EVT_VMB_CHANNEL_OPENED(VMBCHANNEL Channel);
typedef VOID EVT_VMB_CHANNEL_CLOSED(VMBCHANNEL Channel);
typedef VOID EVT_VMB_CHANNEL_SUSPEND(VMBCHANNEL Channel);
typedef VOID EVT_VMB_CHANNEL_STARTED(VMBCHANNEL Channel);
typedef VOID EVT_VMB_CHANNEL_POST_STARTED(VMBCHANNEL Channel);
typedef VOID EVT_VMB_CHANNEL_PROCESS_PACKET(VMBCHANNEL Channel, VMBPACKETCOMPLETION Packet,
                                            PVOID Buffer, UINT32 BufferLength, UINT32 Flags);
typedef VOID EVT_VMB_CHANNEL_PROCESSING_COMPLETE(VMBCHANNEL Channel, UINT32 PacketsProcessed);
typedef VOID EVT_VMB_PACKET_COMPLETION_ROUTINE(VMBPACKET Packet, NTSTATUS Status, PVOID Buffer,
                                               UINT32 BufferLength);
typedef VOID EVT_VMB_CHANNEL_PNP_FAILURE(VMBCHANNEL Channel, NTSTATUS FailureStatus);
typedef NTSTATUS EVT_VMB_CHANNEL_SAVE_PACKET(VMBCHANNEL Channel, VMBPACKET Packet, PVOID SaveBuf,
                                             UINT32 SaveBufSize, UINT32 *BytesNeeded);
typedef NTSTATUS EVT_VMB_CHANNEL_RESTORE_PACKET(VMBCHANNEL Channel, PVOID LibBuf,
                                                UINT32 LibBufSize, PVOID SaveBuf,
                                                UINT32 SaveBufSize);

typedef EVT_VMB_CHANNEL_OPENED *PFN_VMB_CHANNEL_OPENED;
typedef EVT_VMB_CHANNEL_CLOSED *PFN_VMB_CHANNEL_CLOSED;
typedef EVT_VMB_CHANNEL_SUSPEND *PFN_VMB_CHANNEL_SUSPEND;
typedef EVT_VMB_CHANNEL_STARTED *PFN_VMB_CHANNEL_STARTED;
typedef EVT_VMB_CHANNEL_POST_STARTED *PFN_VMB_CHANNEL_POST_STARTED;
typedef EVT_VMB_CHANNEL_PROCESS_PACKET *PFN_VMB_CHANNEL_PROCESS_PACKET;
typedef EVT_VMB_CHANNEL_PROCESSING_COMPLETE *PFN_VMB_CHANNEL_PROCESSING_COMPLETE;
typedef EVT_VMB_PACKET_COMPLETION_ROUTINE *PFN_VMB_PACKET_COMPLETION_ROUTINE;
typedef EVT_VMB_CHANNEL_PNP_FAILURE *PFN_VMB_CHANNEL_PNP_FAILURE;
typedef EVT_VMB_CHANNEL_SAVE_PACKET *PFN_VMB_CHANNEL_SAVE_PACKET;
typedef EVT_VMB_CHANNEL_RESTORE_PACKET *PFN_VMB_CHANNEL_RESTORE_PACKET;

#define VMB_CHANNEL_STATE_CHANGE_CALLBACKS_VERSION 1u

typedef struct _VMB_CHANNEL_STATE_CHANGE_CALLBACKS {
    ULONG Version;
    ULONG Size; /* of this structure, in bytes */
    PFN_VMB_CHANNEL_OPENED EvtChannelOpened;
    PFN_VMB_CHANNEL_CLOSED EvtChannelClosed;
    PFN_VMB_CHANNEL_SUSPEND EvtChannelSuspend;
    PFN_VMB_CHANNEL_STARTED EvtChannelStarted;
    PFN_VMB_CHANNEL_POST_STARTED EvtChannelPostStarted;
} VMB_CHANNEL_STATE_CHANGE_CALLBACKS, *PVMB_CHANNEL_STATE_CHANGE_CALLBACKS;

/* ---- The table ------------------------------------------------------------------------ */

#define KMCL_TABLE_VERSION 1u

/* A slot whose signature this version does not declare: must be null. */
typedef VOID (*KMCL_LATER)(VOID);

typedef enum _KMCL_ACTION {
    KmclActionCrash = 1,     /* the end dies without a word */
    KmclActionMalformed = 2, /* the end writes a broken packet into its outgoing ring */
    KmclActionSpurious = 3,  /* the end gets a signal that announces nothing */
} KMCL_ACTION;

typedef struct _KMCL_TABLE {
    UINT32 Size;    /* of this structure as the library was compiled, in bytes */
    UINT32 Version; /* KMCL_TABLE_VERSION */

    /* About the library, in UTF-8. Name is required: a table without one is refused, null or
     * empty. The others may be null, which counts as empty. Capabilities are words separated by
     * spaces: server, client, mmio, vtl, save-restore; crash, malformed, spurious where Act
     * knows them. */
    const char *Name;
    const char *LibraryVersion;
    const char *Capabilities;

    /* Optional. Drops everything, as if the library had just been loaded, and returns TRUE.
     * Calls that block return; no callback is entered any more, and those in progress have
     * returned when Reset does. Without it every test gets a new process. */
    BOOLEAN (*Reset)(VOID);

    /* Optional, required for exact verdicts on callbacks that are missing. Returns TRUE as soon
     * as nothing more can happen in the library unless a call enters or a callback returns, and
     * FALSE after the given time. Stores how many calls are inside the library then (they
     * block) and how many callbacks it has entered and not seen return. */
    BOOLEAN (*WaitIdle)(UINT32 Milliseconds, UINT32 *Calls, UINT32 *Callbacks);

    /* Optional. The world acts on this end. */
    VOID (*Act)(VMBCHANNEL Channel, KMCL_ACTION Action);

    /* The client table, slots 1 to 41 of KMCL_CLIENT_INTERFACE_V1. Null: not offered. */
    NTSTATUS (*VmbChannelAllocate)(PDEVICE_OBJECT ParentDeviceObject, BOOLEAN IsServer,
                                   VMBCHANNEL *Channel);
    VOID (*VmbChannelCleanup)(VMBCHANNEL Channel);
    KMCL_LATER VmbChannelCreateGpadlFromBuffer;
    KMCL_LATER VmbChannelCreateGpadlFromMdl;
    KMCL_LATER VmbChannelDeleteGpadl;
    VOID (*VmbChannelDisable)(VMBCHANNEL Channel);
    NTSTATUS (*VmbChannelEnable)(VMBCHANNEL Channel);
    KMCL_LATER VmbChannelGetInterfaceInstance;
    KMCL_LATER VmbChannelGetMmioSpace;
    PVOID (*VmbChannelGetPointer)(VMBCHANNEL Channel);
    NTSTATUS (*VmbChannelInitSetClientContextSize)(VMBCHANNEL Channel, UINT32 ContextSize);
    NTSTATUS (*VmbChannelInitSetFlags)(VMBCHANNEL Channel, UINT32 Flags);
    NTSTATUS (*VmbChannelInitSetFriendlyName)(VMBCHANNEL Channel, PCUNICODE_STRING Name);
    NTSTATUS (*VmbChannelInitSetMaximumExternalData)(VMBCHANNEL Channel, UINT32 DataSize,
                                                     UINT32 ChainLength);
    NTSTATUS (*VmbChannelInitSetMaximumPacketSize)(VMBCHANNEL Channel, UINT32 PacketSize);
    NTSTATUS (*VmbChannelInitSetProcessPacketCallbacks)(
        VMBCHANNEL Channel, PFN_VMB_CHANNEL_PROCESS_PACKET ProcessPacketCallback,
        PFN_VMB_CHANNEL_PROCESSING_COMPLETE ProcessingCompleteCallback);
    NTSTATUS (*VmbChannelInitSetStateChangeCallbacks)(
        VMBCHANNEL Channel, PVMB_CHANNEL_STATE_CHANGE_CALLBACKS StateChangeCallbacks);
    VOID (*VmbChannelPacketComplete)(VMBPACKETCOMPLETION PacketCompletionContext,
                                     PVOID PacketCompletionBuffer, UINT32 BufSize);
    KMCL_LATER VmbChannelPacketDeferToPassive;
    VOID (*VmbChannelPacketFail)(VMBPACKETCOMPLETION PacketCompletionContext);
    KMCL_LATER VmbChannelPacketGetExternalData;
    VOID (*VmbChannelPause)(VMBCHANNEL Channel);
    KMCL_LATER VmbChannelSendSynchronousRequest;
    KMCL_LATER VmbChannelSetIncomingProcessingAtPassive;
    NTSTATUS (*VmbChannelSetInterruptLatency)(VMBCHANNEL Channel, UINT16 Latency,
                                              UINT16 *OriginalLatency);
    VOID (*VmbChannelSetPointer)(VMBCHANNEL Channel, PVOID Pointer);
    VOID (*VmbChannelSetTransactionQuota)(VMBCHANNEL Channel, UINT32 Quota);
    UINT32 (*VmbChannelSizeofPacket)(VMBCHANNEL Channel);
    VOID (*VmbChannelStart)(VMBCHANNEL Channel);
    NTSTATUS (*VmbClientChannelInitSetRingBufferPageCount)(VMBCHANNEL Channel,
                                                           UINT32 IncomingPageCount,
                                                           UINT32 OutgoingPageCount);
    NTSTATUS (*VmbClientChannelInitSetTargetPnp)(VMBCHANNEL Channel, LPCGUID InterfaceType,
                                                 LPCGUID InterfaceInstance,
                                                 PFN_VMB_CHANNEL_PNP_FAILURE PnpFailureCallback);
    VMBPACKET (*VmbPacketAllocate)(VMBCHANNEL Channel);
    VOID (*VmbPacketFree)(VMBPACKET VmbPacket);
    VMBCHANNEL (*VmbPacketGetChannel)(VMBPACKET PacketObject);
    PVOID (*VmbPacketGetPointer)(VMBPACKET PacketObject);
    NTSTATUS (*VmbPacketInitialize)(VMBCHANNEL Channel, VMBPACKET VmbPacket, UINT32 ByteCount);
    NTSTATUS (*VmbPacketSend)(VMBPACKET PacketObject, PVOID Buffer, UINT32 BufferLength,
                              PMDL ExternalDataMdl, UINT32 Flags);
    KMCL_LATER VmbPacketSendWithExternalMdl;
    KMCL_LATER VmbPacketSendWithExternalPfns;
    VOID (*VmbPacketSetCompletionRoutine)(VMBPACKET PacketObject,
                                          PFN_VMB_PACKET_COMPLETION_ROUTINE CompletionRoutine);
    VOID (*VmbPacketSetPointer)(VMBPACKET PacketObject, PVOID Pointer);

    /* The server's own table, slots 1 to 14 of KMCL_SERVER_ONLY_METHODS. */
    KMCL_LATER VmbChannelMapGpadl;
    KMCL_LATER VmbChannelRestoreFromBuffer;
    KMCL_LATER VmbChannelSaveBegin;
    KMCL_LATER VmbChannelSaveContinue;
    KMCL_LATER VmbChannelSaveEnd;
    KMCL_LATER VmbChannelUnmapGpadl;
    KMCL_LATER VmbConvertVmbusHandleToKernelHandle;
    KMCL_LATER VmbPacketRestore;
    NTSTATUS (*VmbServerChannelInitSetFlags)(VMBCHANNEL Channel, UINT32 Flags);
    NTSTATUS (*VmbServerChannelInitSetMmioMegabytes)(VMBCHANNEL Channel, UINT16 MmioMegabytes,
                                                     UINT16 MmioMegabytesOptional);
    NTSTATUS (*VmbServerChannelInitSetSaveRestorePacketCallbacks)(
        VMBCHANNEL Channel, PFN_VMB_CHANNEL_SAVE_PACKET SavePacketCallback,
        PFN_VMB_CHANNEL_RESTORE_PACKET RestorePacketCallback);
    NTSTATUS (*VmbServerChannelInitSetTargetInterfaceId)(VMBCHANNEL Channel, GUID InterfaceType,
                                                         GUID InterfaceInstance);
    NTSTATUS (*VmbServerChannelInitSetTargetVtl)(VMBCHANNEL Channel, UINT8 TargetVtl);
    NTSTATUS (*VmbServerChannelInitSetVmbusHandle)(VMBCHANNEL Channel, HANDLE VmbusHandle);
} KMCL_TABLE;

/* The one symbol a library exports. Returns the table of the version asked for, or null where
 * the library has no such version. The table lives as long as the library is loaded. */
#ifndef KMCL_EXPORT
#define KMCL_EXPORT __attribute__((visibility("default")))
#endif
KMCL_EXPORT const KMCL_TABLE *KmclGetTable(UINT32 Version);

#ifdef __cplusplus
}
#endif
#endif
